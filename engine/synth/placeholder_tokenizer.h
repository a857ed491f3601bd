// A tokenizer for models that were never trained: it spells every text in bytes, and fills the vocabulary with made-up pieces.
#pragma once

#include <siskin/result.h>

#include <cstddef>

#include "formats/metadata.h"

namespace siskin {

// Control tokens <unk>, <s>, </s> and one token for each of the 256 bytes.
inline constexpr size_t kSmallestVocabulary = 3 + 256;

// Sets the `tokenizer.ggml.*` keys of a SentencePiece vocabulary of n_vocab tokens. Errors: invalid_argument (n_vocab too
// small).
Status add_placeholder_tokenizer(size_t n_vocab, Metadata& metadata);

}  // namespace siskin
