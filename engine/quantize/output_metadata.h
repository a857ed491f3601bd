// The key-value pairs of a rewritten model: its source's, less what described the source's files, plus its new types.
#pragma once

#include <siskin/result.h>

#include "formats/metadata.h"
#include "formats/model_file.h"

namespace siskin {

// file_type: llama.cpp's llama_ftype. A Hugging Face folder's tokenizer becomes `tokenizer.ggml.*` keys.
Result<Metadata> output_metadata(const ModelFile& file, uint64_t file_type);

}  // namespace siskin
