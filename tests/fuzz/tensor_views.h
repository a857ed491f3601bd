// What every parser of model files owes its caller: views that lie inside the bytes it was given.
#pragma once

#include <cstdlib>
#include <span>
#include <vector>

#include "formats/tensor_view.h"

// Aborts on a view that is empty or reaches out of `bytes`; reads the last byte of each. Returns what depends on all of them.
inline int check_views(const std::vector<siskin::TensorView>& tensors, std::span<const std::byte> bytes) {
  size_t sum = 0;
  for (const siskin::TensorView& tensor : tensors) {
    if (tensor.slices.empty() || tensor.slice_bytes == 0) std::abort();
    for (const std::byte* slice : tensor.slices) {
      if (slice < bytes.data() || tensor.slice_bytes > static_cast<size_t>(bytes.data() + bytes.size() - slice)) std::abort();
      sum += static_cast<size_t>(slice[tensor.slice_bytes - 1]);
    }
  }
  return sum == SIZE_MAX;
}
