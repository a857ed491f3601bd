// Segmenter: one algorithm that turns normalised text into ids (SentencePiece BPE, ranked BPE, unigram).
#pragma once

#include <string_view>
#include <vector>

#include "formats/tokenizer/vocab.h"

namespace siskin {

class Segmenter {
 public:
  virtual ~Segmenter() = default;
  // Appends the ids of `word`: any bytes, spaces already written as the model writes them. `vocab` is the one that the
  // segmenter was made for.
  virtual void segment(const Vocab& vocab, std::string_view word, std::vector<TokenId>& ids) const = 0;
  // Whether its result may change when a text is cut into words at places that no piece crosses.
  virtual bool wants_whole_text() const { return false; }
  virtual const char* kind() const = 0;
};

}  // namespace siskin
