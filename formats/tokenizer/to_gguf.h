// A tokenizer of a Hugging Face folder as GGUF's `tokenizer.ggml.*` keys.
#pragma once

#include <cstddef>

#include "formats/metadata.h"
#include "formats/tokenizer/model.h"

namespace siskin {

// Byte-level BPE becomes "gpt2" with the `pre` of its split patterns; SentencePiece's BPE "llama", unigram "t5". n_vocab: rows
// of the embedding; ids that the tokenizer lacks become unused "[PAD7]" pieces, as llama.cpp's converter writes them. Text in
// composed form (NFC) is assumed: GGUF has no word for composing it. Errors: unsupported, saying what GGUF cannot say; nothing
// is set then that would give other ids.
Status tokenizer_to_gguf(const TokenizerSpec& spec, size_t n_vocab, Metadata& metadata);

}  // namespace siskin
