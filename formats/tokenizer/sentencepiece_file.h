// parse_sentencepiece: the bytes of a tokenizer.model (SentencePiece's ModelProto).
#pragma once

#include <string_view>

#include "formats/tokenizer/model.h"

namespace siskin {

// Errors: corrupt_file; unsupported (word and char models, whitespace as a suffix).
Result<TokenizerSpec> parse_sentencepiece(std::string_view bytes);

}  // namespace siskin
