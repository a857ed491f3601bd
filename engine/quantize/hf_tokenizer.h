// A Hugging Face folder's SentencePiece tokenizer written as GGUF's `tokenizer.ggml.*` keys.
#pragma once

#include <siskin/result.h>

#include <cstddef>
#include <filesystem>

#include "formats/metadata.h"

namespace siskin {

// n_vocab: rows of the embedding; ids that the tokenizer lacks become unused "[PAD7]" pieces, as llama.cpp's converter writes
// them. A folder without tokenizer files sets nothing. Errors: unsupported (a tokenizer that GGUF's "llama" and "t5" kinds
// cannot say).
Status add_folder_tokenizer(const std::filesystem::path& folder, size_t n_vocab, Metadata& metadata);

}  // namespace siskin
