// The tile of matmuls by int8 activations, one body for every weight type and instruction set: one strip against up to 8 rows
// in one pass over the weights; and matvec, the tile of one row. The dots of a group are exact in int32; groups are added in
// ascending order as kernels.h has it. V::dot, the instruction set's dot of a group, is the only part that differs.
#pragma once

#include "kernels/generic/matmul_walk-inl.h"
#include "kernels/generic/unroll-inl.h"
#include "kernels/generic/weights_int8-inl.h"

namespace {

constexpr size_t kInt8PrefetchBytes = 4096;

// Where a tile's activations lie: one row as QuantRows has it, or up to 8 rows copied together, block by block, so that a tile
// reads one stream and needs one pointer. q, scale and sums are of row r of the tile and block b of the job.
struct RowInPlace {
  const int8_t* values;
  const float* scales;
  const int32_t* sums;
  const int32_t* halves;
  const int8_t* q(size_t, size_t b) const { return values + b * kQuantBlock; }
  float scale(size_t, size_t b) const { return scales[b]; }
  int32_t sum(size_t, size_t b) const { return sums[b]; }
  int32_t half(size_t, size_t b) const { return halves[b]; }
};

constexpr size_t kPanelBlockBytes = kQuantBlock + sizeof(float) + 2 * sizeof(int32_t);  // per row

template <size_t kRows>
struct RowsOfPanel {
  const std::byte* data;  // per block: kRows x 32 values, kRows scales, kRows sums, kRows sums of first halves
  const std::byte* block(size_t b) const { return data + b * (kRows * kPanelBlockBytes); }
  const float* after_values(size_t b) const { return reinterpret_cast<const float*>(block(b) + kRows * kQuantBlock); }
  const int8_t* q(size_t r, size_t b) const { return reinterpret_cast<const int8_t*>(block(b)) + r * kQuantBlock; }
  float scale(size_t r, size_t b) const { return after_values(b)[r]; }
  int32_t sum(size_t r, size_t b) const { return reinterpret_cast<const int32_t*>(after_values(b) + kRows)[r]; }
  int32_t half(size_t r, size_t b) const { return reinterpret_cast<const int32_t*>(after_values(b) + 2 * kRows)[r]; }
};

// The activations' sum that goes with a scale: of the group, or of one half of it.
template <class W, class Rows>
[[gnu::always_inline]] inline int32_t sum_under_scale(const Rows& x, size_t r, size_t b, size_t half) {
  if constexpr (W::kScales == 1) return x.sum(r, b);
  return half == 0 ? x.half(r, b) : x.sum(r, b) - x.half(r, b);
}

// Blocks of 32 columns [begin, end), whole blocks of the weights, of the rows from panel_begin on: of one row in place, or
// copied to `panel`, where row i's tile starts at (i - panel_begin) * (end - begin) * kPanelBlockBytes.
struct Int8Job {
  const MatmulArgs& args;
  size_t begin = 0;
  size_t end = 0;
  const std::byte* panel = nullptr;
  size_t panel_begin = 0;
};

// acc[r] += the group's products with row r.
template <class V, class W, size_t kRows, class Rows>
[[gnu::always_inline]] inline void int8_group(const std::byte* w, size_t group, const Rows& x, size_t b,
                                              typename V::F (&acc)[kRows]) {
  typename V::I dots[W::kScales][kRows];
  V::template dot<W>(w, group, x, b, dots);
  SISKIN_UNROLL
  for (size_t half = 0; half < W::kScales; ++half) {
    const typename V::F scale = W::template scale<V>(w, group, half);
    SISKIN_UNROLL
    for (size_t r = 0; r < kRows; ++r) {
      const float dx = x.scale(r, b);
      acc[r] = V::fma(V::mul(scale, V::broadcast(&dx)), V::to_float(dots[half][r]), acc[r]);
    }
    if constexpr (W::kMins) {
      const typename V::F min = W::template min<V>(w, group, half);
      SISKIN_UNROLL
      for (size_t r = 0; r < kRows; ++r) {
        const float sum = x.scale(r, b) * static_cast<float>(sum_under_scale<W>(x, r, b, half));
        acc[r] = V::fnma(min, V::broadcast(&sum), acc[r]);
      }
    }
  }
}

template <class V, class W, size_t kRows, class Rows>
[[gnu::always_inline]] inline void int8_tile(const Int8Job& job, size_t strip, size_t row, const Rows& x) {
  constexpr size_t groups = W::kColumns / kQuantBlock;
  constexpr size_t group_bytes = W::kBlockBytes / groups;
  const MatmulArgs& args = job.args;
  const size_t height = strip_height(args, strip);
  float* y = output_at(args, strip, row);
  typename V::F acc[kRows];
  SISKIN_UNROLL
  for (size_t r = 0; r < kRows; ++r) acc[r] = job.begin == 0 ? V::zero() : V::load_rows(y + r * args.y_stride, height);
  const std::byte* w = args.w.data + strip * args.w.strip_bytes + job.begin / groups * W::kBlockBytes;
  const size_t blocks = job.end - job.begin;
  for (size_t b = 0; b < blocks; w += W::kBlockBytes) {
    SISKIN_NO_UNROLL
    for (size_t group = 0; group < groups; ++group, ++b) {
      // Into L2 (locality 2): the core's own loads bring a line from there in time, while prefetches into L1 take the miss
      // buffers that those loads need (Zen 4, 1 GB of weights, 2 threads, 21 rounds: 31.5 GB/s, against 27.1 into L1).
      const std::byte* ahead = w + group * group_bytes + kInt8PrefetchBytes;
      SISKIN_UNROLL
      for (size_t line = 0; line < group_bytes; line += 64) __builtin_prefetch(ahead + line, 0, 2);
      int8_group<V, W>(w, group, x, b, acc);
    }
  }
  SISKIN_UNROLL
  for (size_t r = 0; r < kRows; ++r) V::store(y + r * args.y_stride, acc[r], height);
}

template <class V, class W>
struct Int8MatvecTile {
  using Job = Int8Job;
  template <size_t kStrips, size_t kRows>
  [[gnu::noinline]] static void run(const Int8Job& job, size_t strip, size_t row) {
    static_assert(kStrips == 1 && kRows == 1);
    const size_t first = activation_row(job.args, row) * (job.args.w.cols / kQuantBlock);
    const siskin::QuantRows& xq = job.args.xq;
    int8_tile<V, W, 1>(job, strip, row,
                       RowInPlace{xq.q + first * kQuantBlock, xq.scale + first, xq.sum + first, xq.half + first});
  }
};

template <class V, class W>
struct Int8Tile {
  using Job = Int8Job;
  template <size_t kStrips, size_t kRows>
  [[gnu::noinline]] static void run(const Int8Job& job, size_t strip, size_t row) {
    static_assert(kStrips == 1);
    const size_t offset = (row - job.panel_begin) * (job.end - job.begin) * kPanelBlockBytes;
    int8_tile<V, W, kRows>(job, strip, row, RowsOfPanel<kRows>{job.panel + offset});
  }
};

template <class V, class W>
void matvec_int8(const MatmulArgs& args) noexcept {
  walk_rows<Int8MatvecTile<V, W>, 1, 1>(args, Int8Job{args, 0, args.w.cols / kQuantBlock}, 0, 1);
}

}  // namespace
