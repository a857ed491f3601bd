// Packed files: a model's tensors as the kernels read them, written once by `siskin pack` and mapped at every start. Parsing
// from bytes and writing; not mapping (mapped_file.h). Byte layout in FORMATS.md "Packed files".
#pragma once

#include <siskin/result.h>

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "formats/gguf.h"
#include "formats/metadata.h"
#include "formats/model_file.h"
#include "formats/tensor_view.h"

namespace siskin {

struct PackedContents {
  Metadata metadata;
  RopePairing pairing{};
  std::vector<TensorView>
      tensors;  // slices are packed matrices, or vectors as a GGUF holds them; they point into the parsed bytes
};

bool is_packed_file(std::span<const std::byte> bytes);

// Parses one file's bytes. REQUIRES: bytes outlive the result. Errors start with `name`: corrupt_file for damage, unsupported
// for a file that was packed for other layouts than this build's.
Result<PackedContents> parse_packed(std::span<const std::byte> bytes, const std::string& name);

// Bytes of a tensor in a packed file, all slices; nullopt where the type or shape is never packed. REQUIRES: whole blocks in a
// row.
std::optional<size_t> packed_tensor_bytes(const TensorView& tensor);

// Writes a packed file as write_gguf writes a GGUF. A source's slices are runs of whole strips (vectors: one run of file
// bytes), and add up to packed_tensor_bytes().
Status write_packed(const std::filesystem::path& path, const Metadata& metadata, std::span<const GgufTensorSource> tensors,
                    RopePairing pairing, const std::function<bool(size_t done, size_t total)>& on_bytes = {});

}  // namespace siskin
