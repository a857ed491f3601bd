// RankedBpe: BPE by a list of merges, as tokenizer.json and GGUF's "gpt2" kind write it. The pair that stands earliest in the
// list goes first; scores play no part. Words are cut into characters, or into bytes where the vocabulary is written so.
#pragma once

#include <string>
#include <unordered_map>
#include <utility>

#include "formats/tokenizer/merge_queue.h"
#include "formats/tokenizer/segmenter.h"

namespace siskin {

class RankedBpe final : public Segmenter {
 public:
  struct Options {
    bool ignore_merges = false;  // a word that is a piece is that piece, whatever the merges say
    bool fuse_unknown = false;   // a run of unknown characters is one unknown id
  };
  using Pair = std::pair<std::string, std::string>;

  // Errors: corrupt_file (a merge whose halves or result are no pieces).
  static Result<RankedBpe> make(const Vocab& vocab, const std::vector<Pair>& merges, Options options);

  void segment(const Vocab& vocab, std::string_view word, std::vector<TokenId>& ids) const override;
  bool wants_whole_text() const override { return options_.ignore_merges; }
  const char* kind() const override { return kind_; }

 private:
  std::unordered_map<uint64_t, Merge> merges_;  // by left id << 32 | right id
  Options options_;
  const char* kind_ = "spm-bpe";
};

}  // namespace siskin
