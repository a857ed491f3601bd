// Random operands for measuring kernels: a packed matrix, and activations in the form that its kernels read.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include "kernels/kernels.h"

namespace siskin {

struct AlignedFree {
  void operator()(std::byte* bytes) const { ::operator delete[](bytes, std::align_val_t{64}); }
};

struct SampleMatrix {
  std::unique_ptr<std::byte[], AlignedFree> data;
  PackedMatrix view;
};
// Weights uniform in [-1, 1), encoded in `type` and packed. REQUIRES: cols is a multiple of the type's block.
SampleMatrix sample_matrix(DType type, size_t rows, size_t cols, uint64_t seed);

struct SampleRows {
  size_t count = 0, cols = 0;
  std::vector<float> x;
  std::vector<int8_t> q;  // of the same rows, where cols is a multiple of 32
  std::vector<float> scale;
  std::vector<int32_t> sum, half;
  QuantRows quantised() const { return {q.data(), scale.data(), sum.data(), half.data()}; }
};
SampleRows sample_rows(const KernelTable& table, size_t count, size_t cols, uint64_t seed);

// Arguments for strips [strip_begin, strip_end) of `matrix` on the first `m` rows, into `y` with rows side by side.
MatmulArgs sample_args(const SampleMatrix& matrix, size_t strip_begin, size_t strip_end, const SampleRows& rows, size_t m,
                       float* y);

}  // namespace siskin
