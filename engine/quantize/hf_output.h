// A quantized Hugging Face folder: for the types that GGUF does not have.
#pragma once

#include <siskin/quantize.h>

#include "formats/dtype.h"

namespace siskin {

// The type under this name whose models are folders; nullptr for all others.
const DTypeInfo* folder_type(const std::string& name);

// Writes `in`, a folder, as a folder that transformers loads with compressed-tensors. The linear layers inside blocks take the
// type, except routers and rows that its kernels' groups do not divide; all else is copied. `out` must not be there, or be an
// empty folder; it appears whole or not at all.
Result<QuantizeReport> quantize_folder(const std::filesystem::path& in, const std::filesystem::path& out, DType type,
                                       const QuantizeOptions& options);

}  // namespace siskin
