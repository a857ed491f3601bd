// A Hugging Face folder's tokenizer written as GGUF's `tokenizer.ggml.*` keys.
#pragma once

#include <siskin/result.h>

#include <cstddef>
#include <filesystem>

#include "formats/metadata.h"

namespace siskin {

// n_vocab: rows of the embedding. A folder without tokenizer files sets nothing. Errors: those of tokenizer_to_gguf
// (formats/tokenizer/to_gguf.h), and of reading the files.
Status add_folder_tokenizer(const std::filesystem::path& folder, size_t n_vocab, Metadata& metadata);

}  // namespace siskin
