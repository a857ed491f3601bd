// Unigram: the segmentation whose pieces' log-probabilities sum to the most (Viterbi).
#pragma once

#include "formats/tokenizer/piece_trie.h"
#include "formats/tokenizer/segmenter.h"

namespace siskin {

class Unigram final : public Segmenter {
 public:
  explicit Unigram(const Vocab& vocab);

  void segment(const Vocab& vocab, std::string_view word, std::vector<TokenId>& ids) const override;
  // Sums of equal paths differ by their rounding alone; only sums over the whole text round as SentencePiece's do (4 of 6,926
  // lines came out otherwise with words summed apart).
  bool wants_whole_text() const override { return true; }
  const char* kind() const override { return "unigram"; }

 private:
  PieceTrie trie_;
  float unknown_score_ = 0.0F;
  float best_score_ = 0.0F;
};

}  // namespace siskin
