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

// Columns [k_begin, k_end) of the rows from panel_begin on: either all columns, read where they lie, or a chunk that was copied
// to `panel`, panel_stride floats apart.
struct FloatJob {
  const MatmulArgs& args;
  size_t k_begin = 0;
  size_t k_end = 0;
  const float* panel = nullptr;
  size_t panel_stride = 0;
  size_t panel_begin = 0;
};

constexpr size_t kPanelRows = 48;
// A line more than the chunk, so that rows do not fall into the same cache set (x_stride is often a power of two).
template <class V>
constexpr size_t kChunkStride = V::kChunkColumns + 16;

inline const float* job_row(const FloatJob& job, size_t i) {
  if (job.panel) return job.panel + (i - job.panel_begin) * job.panel_stride;
  return job.args.x + activation_row(job.args, i) * job.args.x_stride;
}

template <class V, class W>
struct FloatTile {
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
      w[s] = args.w.data + (strip + s) * args.w.strip_bytes + job.k_begin / W::kStep * kStepBytes;
    }
    load_sums<V>(args, strip, row, job.k_begin == 0, acc);

    const size_t columns = job.k_end - job.k_begin;
    const size_t steps = columns / W::kStep;
    for (size_t step = 0; step < steps; ++step) {
      SISKIN_UNROLL
      for (size_t s = 0; s < kStrips; ++s) __builtin_prefetch(w[s] + step * kStepBytes + V::kPrefetchBytes);
      SISKIN_UNROLL
      for (size_t j = 0; j < W::kStep; ++j) add_column(w, x, step, j, acc);
    }
    if (W::kStep == 2 && columns % 2 != 0) add_column(w, x, steps, 0, acc);
    store_sums<V>(args, strip, row, acc);
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
  walk_rows<FloatTile<V, W>, V::kMatvecStrips, 1>(args, FloatJob{args, 0, args.w.cols}, 0, 1);
}

// Few rows read the weights once, like a matvec. More go by panels and chunks of columns: the copied chunk serves all strips, a
// strip's chunk of weights stays in L1 or L2 for all rows of the panel, and the sums wait in y between chunks.
template <class V, class Tile>
inline void matmul_floats(const MatmulArgs& args) {
  if (args.m <= V::kFloatRows)
    return walk_rows<Tile, V::kFloatStrips, V::kFloatRows>(args, FloatJob{args, 0, args.w.cols}, 0, args.m);
  constexpr size_t stride = kChunkStride<V>;
  alignas(64) float panel[kPanelRows * stride];
  for (size_t begin = 0; begin < args.m; begin += kPanelRows) {
    const size_t end = args.m - begin < kPanelRows ? args.m : begin + kPanelRows;
    for (size_t k = 0; k < args.w.cols; k += V::kChunkColumns) {
      const size_t left = args.w.cols - k;
      const FloatJob job{args, k, k + (left < V::kChunkColumns ? left : V::kChunkColumns), panel, stride, begin};
      for (size_t i = begin; i < end; ++i) {
        __builtin_memcpy(panel + (i - begin) * stride, args.x + activation_row(args, i) * args.x_stride + k,
                         (job.k_end - k) * sizeof(float));
      }
      walk_rows<Tile, V::kFloatStrips, V::kFloatRows>(args, job, begin, end);
    }
  }
}

template <class V, class W>
void matmul_float(const MatmulArgs& args) noexcept {
  matmul_floats<V, FloatTile<V, W>>(args);
}

}  // namespace
