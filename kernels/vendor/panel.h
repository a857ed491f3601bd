// What every provider needs around its GEMM: packed strips widened to f32, and activation rows gathered.
#pragma once

#include "kernels/kernels.h"

namespace siskin {

// Where widened strips go: element (row r of strip s, k) at out + s*strip_stride + k*k_stride + r, strips counted from
// strip_begin. oneDNN reads strips as they are (k_stride 16), BLIS a row-major [k, n] (strip_stride 16).
struct PanelOut {
  float* out = nullptr;
  size_t strip_stride = 0;
  size_t k_stride = 0;
};
void widen_strips(const PackedMatrix& w, size_t strip_begin, size_t strip_end, const PanelOut& panel) noexcept;

// out row i = X[g(i), 0..k), rows `stride` floats apart.
void gather_rows(const MatmulArgs& args, float* out, size_t stride) noexcept;

// Weight rows that this range really has: the last strip may be padded.
inline size_t real_rows(const MatmulArgs& args) {
  const size_t begin = args.strip_begin * kStripRows;
  const size_t end = args.strip_end * kStripRows;
  return (end < args.w.rows ? end : args.w.rows) - begin;
}

}  // namespace siskin
