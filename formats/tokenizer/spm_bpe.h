// SpmBpe: SentencePiece's BPE. A pair is merged if its spelling is a piece; the piece with the best score goes first.
#pragma once

#include "formats/tokenizer/segmenter.h"

namespace siskin {

class SpmBpe final : public Segmenter {
 public:
  void segment(const Vocab& vocab, std::string_view word, std::vector<TokenId>& ids) const override;
  const char* kind() const override { return "spm-bpe"; }
};

}  // namespace siskin
