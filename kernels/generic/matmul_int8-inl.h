// matvec and matmul over Q8_0 and Q4_0 weights and int8 activations, one body for every instruction set.
// Per block the dot is exact in int32; blocks are added in ascending order as fma(dw * dx, float(dot), .), which is the
// contract. V::dot, the instruction set's block dot, is the only part that differs.
#pragma once

#include "kernels/generic/matmul_walk-inl.h"
#include "kernels/generic/unroll-inl.h"

namespace {

using siskin::kQuantBlock;

constexpr size_t kScaleBytes = 32;  // 16 f16 scales open every block of a strip

struct WeightsQ8 {
  static constexpr size_t kBlockBytes = kScaleBytes + 8 * 64;
};
struct WeightsQ4 {
  static constexpr size_t kBlockBytes = kScaleBytes + 4 * 64;
};

template <class V, class W>
struct Int8Tile {
  static constexpr size_t kActivationBytes = 1;

  template <size_t kStrips, size_t kRows>
  [[gnu::noinline]] static void run(const MatmulArgs& args, size_t strip, size_t row) {
    static_assert(kStrips == 1);
    const size_t blocks = args.w.cols / kQuantBlock;
    const std::byte* w = args.w.data + strip * args.w.strip_bytes;
    size_t first[kRows];  // the activation row's first block
    typename V::F acc[kRows];
    SISKIN_UNROLL
    for (size_t r = 0; r < kRows; ++r) {
      first[r] = activation_row(args, row + r) * blocks;
      acc[r] = V::zero();
    }
    for (size_t b = 0; b < blocks; ++b, w += W::kBlockBytes) {
      if constexpr (kRows == 1) {
        SISKIN_UNROLL
        for (size_t line = 0; line < W::kBlockBytes; line += 64) __builtin_prefetch(w + line + V::kPrefetchBytes);
      }
      typename V::I dots[kRows];
      V::dot(W{}, w + kScaleBytes, args.xq, first, b, dots);
      const typename V::F dw = V::load_f16(w);
      SISKIN_UNROLL
      for (size_t r = 0; r < kRows; ++r) {
        const typename V::F scale = V::mul(dw, V::broadcast(args.xq.scale + first[r] + b));
        acc[r] = V::fma(scale, V::to_float(dots[r]), acc[r]);
      }
    }
    const size_t height = strip_height(args, strip);
    float* y = output_at(args, strip, row);
    SISKIN_UNROLL
    for (size_t r = 0; r < kRows; ++r) V::store(y + r * args.y_stride, acc[r], height);
  }
};

template <class V, class W>
void matvec_int8(const MatmulArgs& args) noexcept {
  walk_matvec<Int8Tile<V, W>, 1>(args);
}

template <class V, class W>
void matmul_int8(const MatmulArgs& args) noexcept {
  walk_matmul<Int8Tile<V, W>, 1, V::kInt8Rows>(args);
}

}  // namespace
