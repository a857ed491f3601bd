// matvec and matmul over FP8 weights, one body for every instruction set: the walk, panels and chunks of matmul_float-inl.h,
// with a scale after every 128 columns. E4M3's bits, moved a place down, are those of a half that is 2^-8 of the number,
// subnormal ones too: so V::load_fp8 widens 16 rows of a column by a shift, a mask and the conversion of halves, and the scale
// takes 2^8 with it.
#pragma once

#include "kernels/generic/matmul_float-inl.h"

namespace {

constexpr size_t kFp8Columns = 128;
constexpr size_t kFp8HeadBytes = kStripRows * sizeof(float);
constexpr size_t kFp8PairBytes = kStripRows * 2;
constexpr size_t kFp8BlockBytes = kFp8HeadBytes + kFp8Columns * kStripRows;

// The scales of a block's rows, times 2^8.
template <class V>
[[gnu::always_inline]] inline typename V::F fp8_scales(const std::byte* block) {
  const float moved = 256.0f;
  return V::mul(V::load(WeightsF32{}, block, 0), V::broadcast(&moved));
}

template <class V>
struct Fp8Tile {
  using Job = FloatJob;

  template <size_t kStrips, size_t kRows>
  [[gnu::noinline]] static void run(const FloatJob& job, size_t strip, size_t row) {
    const MatmulArgs& args = job.args;
    const std::byte* w[kStrips];
    const float* x[kRows];
    typename V::F acc[kStrips][kRows];
    SISKIN_UNROLL
    for (size_t r = 0; r < kRows; ++r) x[r] = job_row(job, row + r);
    SISKIN_UNROLL
    for (size_t s = 0; s < kStrips; ++s) {
      w[s] = args.w.data + (strip + s) * args.w.strip_bytes + job.k_begin / kFp8Columns * kFp8BlockBytes;
    }
    load_sums<V>(args, strip, row, job.k_begin == 0, acc);
    for (size_t k = 0; k < job.k_end - job.k_begin; k += kFp8Columns) add_block(w, x, k, acc);
    store_sums<V>(args, strip, row, acc);
  }

  // The block of columns from k on; w moves on by it. The sums of earlier blocks wait in memory.
  template <size_t kStrips, size_t kRows>
  [[gnu::always_inline]] static inline void add_block(const std::byte* (&w)[kStrips], const float* const (&x)[kRows], size_t k,
                                                      typename V::F (&acc)[kStrips][kRows]) {
    typename V::F sums[kStrips][kRows];
    SISKIN_UNROLL
    for (size_t s = 0; s < kStrips; ++s) {
      SISKIN_UNROLL
      for (size_t r = 0; r < kRows; ++r) sums[s][r] = V::zero();
    }
    for (size_t pair = 0; pair < kFp8Columns / 2; ++pair) {
      const size_t at = kFp8HeadBytes + pair * kFp8PairBytes;
      SISKIN_UNROLL
      for (size_t s = 0; s < kStrips; ++s) __builtin_prefetch(w[s] + at + V::kPrefetchBytes);
      SISKIN_UNROLL
      for (size_t j = 0; j < 2; ++j) {
        typename V::F wide[kStrips];
        SISKIN_UNROLL
        for (size_t s = 0; s < kStrips; ++s) wide[s] = V::load_fp8(w[s] + at, j);
        SISKIN_UNROLL
        for (size_t r = 0; r < kRows; ++r) {
          const typename V::X xk = V::broadcast(x[r] + k + pair * 2 + j);
          SISKIN_UNROLL
          for (size_t s = 0; s < kStrips; ++s) sums[s][r] = V::fma(wide[s], xk, sums[s][r]);
        }
      }
    }
    SISKIN_UNROLL
    for (size_t s = 0; s < kStrips; ++s) {
      const typename V::F scales = fp8_scales<V>(w[s]);
      SISKIN_UNROLL
      for (size_t r = 0; r < kRows; ++r) acc[s][r] = V::fma(sums[s][r], scales, acc[s][r]);
      w[s] += kFp8BlockBytes;
    }
  }
};

template <class V>
void matvec_fp8(const MatmulArgs& args) noexcept {
  walk_rows<Fp8Tile<V>, V::kMatvecStrips, 1>(args, FloatJob{args, 0, args.w.cols}, 0, 1);
}

template <class V>
void matmul_fp8(const MatmulArgs& args) noexcept {
  static_assert(V::kChunkColumns % kFp8Columns == 0);
  matmul_floats<V, Fp8Tile<V>>(args);
}

}  // namespace
