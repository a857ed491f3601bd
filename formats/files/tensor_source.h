// What both writers do with the tensors they are given: check their sizes and let each produce its bytes in turn.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "formats/files/atomic_file.h"
#include "formats/gguf.h"

namespace siskin {

struct WriteProgress {
  size_t done = 0;   // bytes of the file written before the tensors
  size_t total = 0;  // bytes of the whole file
  const std::function<bool(size_t done, size_t total)>& on_bytes;
};

// REQUIRES: check_source_size() said yes.
inline size_t source_bytes(const GgufTensorSource& tensor) { return tensor.n_slices * tensor.slice_bytes; }

// invalid_argument unless the slices add up to what type and shape ask for, without overflow.
Status check_source_size(const GgufTensorSource& tensor, const std::string& file);

// Writes the tensors one after another, each padded with zeros to a multiple of `alignment`. One slice is in memory at a time.
Status write_sources(AtomicFile& file, const std::string& name, std::span<const GgufTensorSource> tensors, size_t alignment,
                     WriteProgress progress);

}  // namespace siskin
