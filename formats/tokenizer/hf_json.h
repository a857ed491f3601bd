// parse_hf_tokenizer: a tokenizer.json of Hugging Face's `tokenizers`, in its SentencePiece-like and byte-level forms.
#pragma once

#include <nlohmann/json.hpp>

#include "formats/tokenizer/model.h"

namespace siskin {

// Errors: corrupt_file; unsupported (WordPiece, WordLevel, a step of the pipeline that is not built).
Result<TokenizerSpec> parse_hf_tokenizer(const nlohmann::json& json);

}  // namespace siskin
