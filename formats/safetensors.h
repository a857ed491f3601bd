// Safetensors files: parsing headers and shard indexes from bytes, writing. Not mapping, not the meaning of names
// (files/hf_tensors.h). Source: the safetensors format description; byte layout in FORMATS.md.
#pragma once

#include <siskin/result.h>

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "formats/dtype.h"
#include "formats/gguf.h"
#include "formats/tensor_view.h"

namespace siskin {

struct SafetensorsEntry {
  std::string name;
  std::string dtype;          // as the file writes it: "F16"
  std::optional<DType> type;  // nullopt: a type that the file may hold but nothing here reads ("BOOL", "F8_E4M3")
  Shape shape;                // empty for a scalar; a dimension may be zero
  size_t begin = 0, end = 0;  // bytes of the file
};

struct SafetensorsContents {
  std::map<std::string, std::string> metadata;
  std::vector<SafetensorsEntry> tensors;  // in the order of their bytes
};

// Errors (corrupt_file, unsupported for an unknown dtype) start with `name`. The tensors' bytes fill the file after its header
// without holes or overlaps, as the format demands.
Result<SafetensorsContents> parse_safetensors(std::span<const std::byte> bytes, const std::string& name);

// model.safetensors.index.json: the shard that holds each tensor. Shards are plain file names: a path is refused.
Result<std::map<std::string, std::string>> parse_safetensors_index(std::span<const std::byte> bytes, const std::string& name);

// Writes one file, as write_gguf does: old or new, never half. The type must be one that the format has (F32 F16 BF16 F64 I8
// I16 I32 I64).
Status write_safetensors(const std::filesystem::path& path, const std::map<std::string, std::string>& metadata,
                         std::span<const GgufTensorSource> tensors,
                         const std::function<bool(size_t done, size_t total)>& on_bytes = {});

// Writes model-00001-of-0000N.safetensors into `folder`, each of at most `shard_bytes` of tensors (a larger tensor gets its
// own), then the index; one file model.safetensors where everything fits. Refuses (invalid_argument) to write shards beside a
// model.safetensors, which readers would prefer.
Status write_safetensors_shards(const std::filesystem::path& folder, const std::map<std::string, std::string>& metadata,
                                std::span<const GgufTensorSource> tensors, size_t shard_bytes,
                                const std::function<bool(size_t done, size_t total)>& on_bytes = {});

}  // namespace siskin
