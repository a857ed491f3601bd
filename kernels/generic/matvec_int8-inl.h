// The tile of matmuls by int8 activations, one body for every weight type and instruction set: one strip against up to 8 rows
// in one pass over the weights; and matvec, the tile of one row. The dots of a group are exact in int32; groups are added in
// ascending order as kernels.h has it. V::dot, the instruction set's dot of a group, is the only part that differs.
#pragma once

#include "kernels/generic/matmul_float-inl.h"
#include "kernels/generic/matmul_walk-inl.h"
#include "kernels/generic/unroll-inl.h"
#include "kernels/generic/weights_blocks-inl.h"
#include "kernels/generic/weights_super-inl.h"

namespace {

// The activations' sum that goes with a scale: of the group, or of one half of it.
template <class W>
[[gnu::always_inline]] inline int32_t sum_under_scale(const siskin::QuantRows& xq, size_t b, size_t half) {
  if constexpr (W::kScales == 1) return xq.sum[b];
  return half == 0 ? xq.half[b] : xq.sum[b] - xq.half[b];
}

// Where a tile's activations lie: one row as QuantRows has it, or several. Of row r of the tile and block b of the job,
// q are the values; start, from which a sum of products takes the codes' offset off again, is -kOffset * the values' sum;
// scaled_sum is what mins are multiplied by.
struct RowInPlace {
  siskin::QuantRows xq;
  const int8_t* q(size_t, size_t b) const { return xq.q + b * kQuantBlock; }
  float scale(size_t, size_t b) const { return xq.scale[b]; }
  template <class W>
  int32_t start(size_t, size_t b, size_t half) const {
    return -W::kOffset * sum_under_scale<W>(xq, b, half);
  }
  template <class W>
  float scaled_sum(size_t, size_t b, size_t half) const {
    return xq.scale[b] * static_cast<float>(sum_under_scale<W>(xq, b, half));
  }
};

// What is copied of several rows' activations, in words per row and block: the starts, the scale, the scaled sums if the type
// has mins.
template <class W>
constexpr size_t kFactors = W::kScales + 1 + (W::kMins ? W::kScales : 0);
template <class W, size_t kChunk>
constexpr size_t kFactorBytes = kFactors<W>* kChunk * sizeof(float);  // of a row

// Blocks of 32 columns [begin, end), whole blocks of the weights and at most kChunk, of the rows from panel_begin on. Of
// several rows the factors are copied, as [row][factor][kChunk blocks].
struct Int8Job {
  const MatmulArgs& args;
  size_t begin = 0;
  size_t end = 0;
  const std::byte* factors = nullptr;
  size_t panel_begin = 0;
};

// Where the job's blocks of a strip begin.
template <class W>
inline const std::byte* chunk_of(const Int8Job& job, size_t strip) {
  return job.args.w.data + strip * job.args.w.strip_bytes + kStripHead<W> +
         job.begin * kQuantBlock / W::kColumns * W::kBlockBytes;
}

// Up to so many blocks of 32 columns that are whole blocks of the weights.
template <class W>
constexpr size_t whole_blocks(size_t blocks) {
  constexpr size_t groups = W::kColumns / kQuantBlock;
  return (blocks + groups - 1) / groups * groups;
}

// Factors of rows [panel_begin, end).
template <class W, size_t kChunk>
inline void copy_factors(const Int8Job& job, size_t end, std::byte* factors) {
  const siskin::QuantRows& xq = job.args.xq;
  const size_t blocks = job.end - job.begin;
  for (size_t row = job.panel_begin; row < end; ++row, factors += kFactorBytes<W, kChunk>) {
    const size_t first = activation_row(job.args, row) * (job.args.w.cols / kQuantBlock) + job.begin;
    const RowInPlace x{{nullptr, xq.scale + first, xq.sum + first, xq.half + first}};
    const auto put = [=](size_t factor, auto&& of_block) {
      for (size_t b = 0; b < blocks; ++b) {
        const auto word = of_block(b);
        __builtin_memcpy(factors + (factor * kChunk + b) * sizeof(word), &word, sizeof(word));
      }
    };
    put(W::kScales, [&](size_t b) { return x.scale(0, b); });
    SISKIN_UNROLL
    for (size_t half = 0; half < W::kScales; ++half) {
      put(half, [&](size_t b) { return x.start<W>(0, b, half); });
      if constexpr (W::kMins) put(W::kScales + 1 + half, [&](size_t b) { return x.scaled_sum<W>(0, b, half); });
    }
  }
}

template <class W, size_t kRows, size_t kChunk>
struct RowsOfTile {
  const int8_t* values[kRows];
  const std::byte* factors;

  RowsOfTile(const Int8Job& job, size_t row) : factors(job.factors + (row - job.panel_begin) * kFactorBytes<W, kChunk>) {
    SISKIN_UNROLL
    for (size_t r = 0; r < kRows; ++r) {
      values[r] = job.args.xq.q + activation_row(job.args, row + r) * job.args.w.cols + job.begin * kQuantBlock;
    }
  }
  template <class Word>
  Word word(size_t r, size_t b, size_t factor) const {
    Word word;
    __builtin_memcpy(&word, factors + ((r * kFactors<W> + factor) * kChunk + b) * sizeof(Word), sizeof(Word));
    return word;
  }
  const int8_t* q(size_t r, size_t b) const { return values[r] + b * kQuantBlock; }
  float scale(size_t r, size_t b) const { return word<float>(r, b, W::kScales); }
  template <class>
  int32_t start(size_t r, size_t b, size_t half) const {
    return word<int32_t>(r, b, half);
  }
  template <class>
  float scaled_sum(size_t r, size_t b, size_t half) const {
    return word<float>(r, b, W::kScales + 1 + half);
  }
};

// acc[r] += what one scale of a strip's group gives with row r (kernels.h has the order). min: of types that have any; scale:
// of types that have it in their blocks.
template <class V, class W, size_t kRows, class Rows>
[[gnu::always_inline]] inline void add_scaled(const typename V::F& scale, const typename V::F& min,
                                              const typename V::I (&dots)[kRows], const Rows& x, size_t b, size_t half,
                                              typename V::F (&acc)[kRows]) {
  SISKIN_UNROLL
  for (size_t r = 0; r < kRows; ++r) {
    const float dx = x.scale(r, b);
    if constexpr (W::kRowScale) {
      acc[r] = V::fma(V::to_float(dots[r]), V::broadcast(&dx), acc[r]);
    } else {
      acc[r] = V::fma(V::mul(scale, V::broadcast(&dx)), V::to_float(dots[r]), acc[r]);
    }
  }
  if constexpr (W::kMins) {
    SISKIN_UNROLL
    for (size_t r = 0; r < kRows; ++r) {
      const float sum = x.template scaled_sum<W>(r, b, half);
      acc[r] = V::fnma(min, V::broadcast(&sum), acc[r]);
    }
  }
}

// The compiler moves no load from below to above or back. A core's prefetchers follow lines that are asked for in ascending
// order; a block's scales read behind its codes cost a fast memory's reader 5 to 20 % (Zen 4, 58 GB/s, Q8_0).
inline void keep_loads_in_order() { asm volatile("" ::: "memory"); }

// The scales and minima of a packed block; what its groups share is read once.
template <class V, class W>
struct ScalesOfBlock {
  static constexpr bool kShared = W::kColumns > kQuantBlock;
  const std::byte* block;
  typename V::F unit, min_unit;  // where groups share them

  [[gnu::always_inline]] explicit ScalesOfBlock(const std::byte* at) : block(at), unit(V::zero()), min_unit(V::zero()) {
    if constexpr (kShared) unit = V::load_f16(block);
    if constexpr (kShared && W::kMins) min_unit = V::load_f16(block + kScaleBytes);
  }
  [[gnu::always_inline]] typename V::F scale(size_t group, size_t half) const {
    if constexpr (W::kRowScale)
      return V::zero();
    else if constexpr (kShared)
      return V::mul(unit, V::widen(W::scale_factor(block, group, half)));
    else
      return W::template scale<V>(block, group, half);
  }
  [[gnu::always_inline]] typename V::F min(size_t group, size_t half) const {
    if constexpr (!W::kMins)
      return V::zero();
    else if constexpr (kShared)
      return V::mul(min_unit, V::widen(W::min_factor(block, group, half)));
    else
      return W::template min<V>(block, group, half);
  }
};

// acc[r] += the group's products with row r.
template <class V, class W, size_t kRows, class Rows>
[[gnu::always_inline]] inline void int8_group(const ScalesOfBlock<V, W>& scales, size_t group, const Rows& x, size_t b,
                                              typename V::F (&acc)[kRows]) {
  typename V::F scale[W::kScales], min[W::kScales];
  SISKIN_UNROLL
  for (size_t half = 0; half < W::kScales; ++half) {
    scale[half] = scales.scale(group, half);
    min[half] = scales.min(group, half);
  }
  if constexpr (kRows == 1) keep_loads_in_order();
  typename V::I dots[W::kScales][kRows];
  V::template dot<W>(scales.block, group, x, b, dots);
  SISKIN_UNROLL
  for (size_t half = 0; half < W::kScales; ++half) add_scaled<V, W>(scale[half], min[half], dots[half], x, b, half, acc);
}

// The sums of a strip's last chunk take the rows' scales, where it is rows that have them.
template <class V, class W, size_t kRows>
[[gnu::always_inline]] inline void finish_rows(const Int8Job& job, size_t strip, typename V::F (&acc)[kRows]) {
  if constexpr (W::kRowScale) {
    if (job.end != job.args.w.cols / kQuantBlock) return;
    const typename V::F scales = V::load(WeightsF32{}, job.args.w.data + strip * job.args.w.strip_bytes, 0);
    SISKIN_UNROLL
    for (size_t r = 0; r < kRows; ++r) acc[r] = V::mul(scales, acc[r]);
  }
}

// Of a block of several two: what a pair shares in its scales is taken apart once.
template <class V, class W>
constexpr size_t kGroupsAtOnce = W::kColumns == kQuantBlock ? 1 : 2;

constexpr size_t kTileAhead = 16 << 10;  // 4 KB: 4 rows as fast, 2 rows 9 % slower

template <class V, class W, size_t kRows, class Rows>
[[gnu::always_inline]] inline void int8_tile(const Int8Job& job, size_t strip, size_t row, const Rows& x) {
  constexpr size_t groups = W::kColumns / kQuantBlock;
  const MatmulArgs& args = job.args;
  const size_t height = strip_height(args, strip);
  float* y = output_at(args, strip, row);
  typename V::F acc[kRows];
  SISKIN_UNROLL
  for (size_t r = 0; r < kRows; ++r) acc[r] = job.begin == 0 ? V::zero() : V::load_rows(y + r * args.y_stride, height);
  const std::byte* w = chunk_of<W>(job, strip);
  const size_t blocks = job.end - job.begin;
  // One row leaves prefetching to the hardware: asking beside it takes miss buffers and issue slots from the loads (Zen 4, 1B
  // shape in Q4_0, 2 threads, memory that reads 54 GB/s: 62 tokens/s, 48 with prefetches into L2). Several rows fill the
  // reorder buffer with arithmetic, so that loads come too late for it: 400 MB of Q4_0 by 1 thread take per row and
  // group 7.0, 4.1, 3.5 ns for 2, 4, 8 rows, 7.8, 6.3, 5.5 without.
  for (size_t b = 0; b < blocks; w += W::kBlockBytes) {
    if constexpr (kRows > 1) {
      SISKIN_UNROLL
      for (size_t line = 0; line < W::kBlockBytes; line += 64) __builtin_prefetch(w + kTileAhead + line, 0, 2);
    }
    const ScalesOfBlock<V, W> scales(w);
    SISKIN_NO_UNROLL
    for (size_t group = 0; group < groups; group += kGroupsAtOnce<V, W>) {
      SISKIN_UNROLL
      for (size_t i = 0; i < kGroupsAtOnce<V, W>; ++i, ++b) int8_group<V, W>(scales, group + i, x, b, acc);
    }
  }
  finish_rows<V, W>(job, strip, acc);
  SISKIN_UNROLL
  for (size_t r = 0; r < kRows; ++r) V::store(y + r * args.y_stride, acc[r], height);
}

constexpr size_t kTileChunk = 512;  // long, so that weights are read in order

template <class V, class W>
struct Int8Tile {
  using Job = Int8Job;
  template <size_t kStrips, size_t kRows>
  [[gnu::noinline]] static void run(const Int8Job& job, size_t strip, size_t row) {
    static_assert(kStrips == 1);
    int8_tile<V, W, kRows>(job, strip, row, RowsOfTile<W, kRows, kTileChunk>(job, row));
  }
};

// One loop over all strips: a call per strip costs 2 to 4 % of a fast memory's bandwidth.
template <class V, class W>
void matvec_int8(const MatmulArgs& args) noexcept {
  const size_t blocks = args.w.cols / kQuantBlock, first = activation_row(args, 0) * blocks;
  const siskin::QuantRows& xq = args.xq;
  const RowInPlace x{{xq.q + first * kQuantBlock, xq.scale + first, xq.sum + first, xq.half + first}};
  const Int8Job job{args, 0, blocks};
  for (size_t strip = args.strip_begin; strip < args.strip_end; ++strip) int8_tile<V, W, 1>(job, strip, 0, x);
}

}  // namespace
