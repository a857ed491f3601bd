// matmul by int8 activations for any number of rows: as many rows as one tile holds pass by the packed weights, which are read
// once and in order; more are a gemm over unpacked ones.
#pragma once

#include "kernels/generic/gemm_int8-inl.h"
#include "kernels/generic/matvec_int8-inl.h"

namespace {

template <class V, class W>
void matmul_int8(const MatmulArgs& args) noexcept {
  if (args.m == 0) return;
  if (args.m > V::kInt8Rows) return gemm_int8<V, W>(args);
  alignas(64) std::byte factors[V::kInt8Rows * kFactorBytes<W, kTileChunk>];
  const size_t blocks = args.w.cols / kQuantBlock;
  for (size_t b = 0; b < blocks; b += kTileChunk) {
    const Int8Job job{args, b, blocks - b < kTileChunk ? blocks : b + kTileChunk, factors, 0};
    copy_factors<W, kTileChunk>(job, args.m, factors);
    walk_rows<Int8Tile<V, W>, 1, V::kInt8Rows>(args, job, 0, args.m);
  }
}

}  // namespace
