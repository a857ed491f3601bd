// matvec and matmul over F32, F16 and BF16 weights, one body for every instruction set.
// y[i, r] = fma(W[r, k], x[i, k], .) over k ascending in one chain per output: parallelism comes from rows and strips, so a
// row's result is the same bit for bit in a matvec, in any matmul, and on every instruction set that has fma.
//
// V is the instruction set's strip vector (avx512/strip-inl.h says what it offers); W is one of the tags below.
#pragma once

#include "kernels/generic/matmul_walk-inl.h"
#include "kernels/generic/unroll-inl.h"

namespace {

// kStep columns of a strip fill 64 bytes.
struct WeightsF32 {
  static constexpr size_t kStep = 1;
};
struct WeightsF16 {
  static constexpr size_t kStep = 2;
};
struct WeightsBf16 {
  static constexpr size_t kStep = 2;
};

constexpr size_t kStepBytes = 64;

template <class V, class W>
struct FloatTile {
  static constexpr size_t kActivationBytes = sizeof(float);

  template <size_t kStrips, size_t kRows>
  [[gnu::noinline]] static void run(const MatmulArgs& args, size_t strip, size_t row) {
    const std::byte* w[kStrips];
    const float* x[kRows];
    typename V::F acc[kStrips][kRows];
    SISKIN_UNROLL
    for (size_t s = 0; s < kStrips; ++s) {
      w[s] = args.w.data + (strip + s) * args.w.strip_bytes;
      SISKIN_UNROLL
      for (size_t r = 0; r < kRows; ++r) acc[s][r] = V::zero();
    }
    SISKIN_UNROLL
    for (size_t r = 0; r < kRows; ++r) x[r] = args.x + activation_row(args, row + r) * args.x_stride;

    const size_t steps = args.w.cols / W::kStep;
    for (size_t step = 0; step < steps; ++step) {
      if constexpr (kRows == 1) {
        SISKIN_UNROLL
        for (size_t s = 0; s < kStrips; ++s) __builtin_prefetch(w[s] + step * kStepBytes + V::kPrefetchBytes);
      }
      SISKIN_UNROLL
      for (size_t j = 0; j < W::kStep; ++j) add_column(w, x, step, j, acc);
    }
    if (W::kStep == 2 && args.w.cols % 2 != 0) add_column(w, x, steps, 0, acc);
    SISKIN_UNROLL
    for (size_t s = 0; s < kStrips; ++s) {
      const size_t height = strip_height(args, strip + s);
      float* y = output_at(args, strip + s, row);
      SISKIN_UNROLL
      for (size_t r = 0; r < kRows; ++r) V::store(y + r * args.y_stride, acc[s][r], height);
    }
  }

  // Column step * kStep + j.
  template <size_t kStrips, size_t kRows>
  [[gnu::always_inline]] static inline void add_column(const std::byte* const (&w)[kStrips], const float* const (&x)[kRows],
                                                       size_t step, size_t j, typename V::F (&acc)[kStrips][kRows]) {
    typename V::F wide[kStrips];
    SISKIN_UNROLL
    for (size_t s = 0; s < kStrips; ++s) wide[s] = V::load(W{}, w[s] + step * kStepBytes, j);
    SISKIN_UNROLL
    for (size_t r = 0; r < kRows; ++r) {
      const typename V::X xk = V::broadcast(x[r] + step * W::kStep + j);
      SISKIN_UNROLL
      for (size_t s = 0; s < kStrips; ++s) acc[s][r] = V::fma(wide[s], xk, acc[s][r]);
    }
  }
};

template <class V, class W>
void matvec_float(const MatmulArgs& args) noexcept {
  walk_matvec<FloatTile<V, W>, V::kMatvecStrips>(args);
}

template <class V, class W>
void matmul_float(const MatmulArgs& args) noexcept {
  walk_matmul<FloatTile<V, W>, V::kFloatStrips, V::kFloatRows>(args);
}

}  // namespace
