// The header of a GGUF file apart from its data: what a packed file carries too.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "formats/gguf.h"

namespace siskin {

// Bytes of all slices of a tensor; nullopt where the type, the shape or their product cannot be. REQUIRES: whole blocks in a
// row.
using TensorBytes = std::optional<size_t> (*)(const TensorView& tensor);

// Parses a header whose tensors lie in `data` at their offsets. Checks and errors are those of parse_gguf.
Result<GgufContents> parse_gguf_header(std::span<const std::byte> header, std::span<const std::byte> data,
                                       const std::string& name, TensorBytes tensor_bytes);

// Version 3, padded to kGgufAlignment. Offsets follow from the sources' sizes, each rounded up to `alignment`.
Result<std::vector<std::byte>> gguf_header(const Metadata& metadata, std::span<const GgufTensorSource> tensors,
                                           size_t alignment, const std::string& file);
// Bytes of all tensors with that padding. Errors: invalid_argument, larger than a file can be.
Result<size_t> padded_data_bytes(std::span<const GgufTensorSource> tensors, size_t alignment, const std::string& file);

}  // namespace siskin
