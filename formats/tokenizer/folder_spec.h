// What a Hugging Face folder says about its tokenizer.
#pragma once

#include <filesystem>

#include "formats/tokenizer/model.h"

namespace siskin {

// tokenizer.json, else tokenizer.model, with what the configs beside it say about BOS and EOS. Errors: as
// Tokenizer::from_folder.
Result<TokenizerSpec> read_folder_tokenizer(const std::filesystem::path& folder);

}  // namespace siskin
