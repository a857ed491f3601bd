// GGUF files: parsing v1 to v3 from bytes, writing v3. Not mapping (mapped_file.h), not meaning (engine/models).
// Source: the GGUF specification; byte layout in FORMATS.md.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <siskin/result.h>

#include "formats/metadata.h"
#include "formats/tensor_view.h"

namespace siskin {

struct GgufContents {
  uint32_t version = 0;
  Metadata metadata;
  std::vector<TensorView> tensors;  // slices point into the parsed bytes
};

// Parses one file's bytes. REQUIRES: bytes outlive the result. Errors (corrupt_file, unsupported) start with `name` and give
// the byte offset. Never reads outside `bytes`, never allocates more than a small multiple of bytes.size().
Result<GgufContents> parse_gguf(std::span<const std::byte> bytes, const std::string& name);

// A tensor to be written: `produce(slice, out)` fills slice_bytes bytes when its turn comes, so that a model larger than memory
// can be written. Shape as in TensorView.
struct GgufTensorSource {
  std::string name;
  DType type{};
  Shape shape;
  size_t n_slices = 1;
  size_t slice_bytes = 0;
  std::function<Status(size_t slice, std::span<std::byte> out)> produce;
};

// Writes a v3 file, alignment 32: to a temporary name beside `path`, synced, then renamed, so that `path` is old or new but never
// half. `on_bytes(done, total)` reports progress and cancels by returning false (the temporary is removed, error `cancelled`).
Status write_gguf(const std::filesystem::path& path, const Metadata& metadata, std::span<const GgufTensorSource> tensors,
                  const std::function<bool(size_t done, size_t total)>& on_bytes = {});

}  // namespace siskin
