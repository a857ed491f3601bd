// matvec and matmul over Q8_0 and Q4_0 weights and int8 activations, one body for every instruction set.
// Per block the dot is exact in int32; blocks are added in ascending order as fma(dw * dx, float(dot), .), which is the
// contract. V::dot, the instruction set's block dot, is the only part that differs.
#pragma once

#include "kernels/generic/matmul_walk-inl.h"
#include "kernels/generic/unroll-inl.h"

namespace {

using siskin::kQuantBlock;

constexpr size_t kInt8PrefetchBytes = 4096;
constexpr size_t kScaleBytes = 32;  // 16 f16 scales open every block of a strip

struct WeightsQ8 {
  static constexpr size_t kBlockBytes = kScaleBytes + 8 * 64;
};
struct WeightsQ4 {
  static constexpr size_t kBlockBytes = kScaleBytes + 4 * 64;
};

// Where a tile's activations lie: one row as QuantRows has it, or up to 8 rows copied together, block by block, so that a tile
// reads one stream and needs one pointer. q, scale and sum are of row r of the tile and block b of the job.
struct RowInPlace {
  const int8_t* values;
  const float* scales;
  const int32_t* sums;
  const int8_t* q(size_t, size_t b) const { return values + b * kQuantBlock; }
  const float* scale(size_t, size_t b) const { return scales + b; }
  int32_t sum(size_t, size_t b) const { return sums[b]; }
};

constexpr size_t kPanelBlockBytes = kQuantBlock + sizeof(float) + sizeof(int32_t);  // per row

template <size_t kRows>
struct RowsOfPanel {
  const std::byte* data;  // per block: kRows x 32 values, kRows scales, kRows sums
  const std::byte* block(size_t b) const { return data + b * (kRows * kPanelBlockBytes); }
  const int8_t* q(size_t r, size_t b) const { return reinterpret_cast<const int8_t*>(block(b)) + r * kQuantBlock; }
  const float* scale(size_t r, size_t b) const { return reinterpret_cast<const float*>(block(b) + kRows * kQuantBlock) + r; }
  int32_t sum(size_t r, size_t b) const {
    return reinterpret_cast<const int32_t*>(block(b) + kRows * (kQuantBlock + sizeof(float)))[r];
  }
};

// Blocks [begin, end) of the rows from panel_begin on: of one row in place, or copied to `panel`, where row i's tile starts at
// (i - panel_begin) * (end - begin) * kPanelBlockBytes.
struct Int8Job {
  const MatmulArgs& args;
  size_t begin = 0;
  size_t end = 0;
  const std::byte* panel = nullptr;
  size_t panel_begin = 0;
};

template <class V, class W, size_t kRows, class Rows>
[[gnu::always_inline]] inline void int8_tile(const Int8Job& job, size_t strip, size_t row, const Rows& x) {
  const MatmulArgs& args = job.args;
  const size_t height = strip_height(args, strip);
  float* y = output_at(args, strip, row);
  typename V::F acc[kRows];
  SISKIN_UNROLL
  for (size_t r = 0; r < kRows; ++r) acc[r] = job.begin == 0 ? V::zero() : V::load_rows(y + r * args.y_stride, height);
  const std::byte* w = args.w.data + strip * args.w.strip_bytes + job.begin * W::kBlockBytes;
  const size_t blocks = job.end - job.begin;
  for (size_t b = 0; b < blocks; ++b, w += W::kBlockBytes) {
    // Into L2 (locality 2): the core's own loads bring a line from there in time, while prefetches into L1 take the miss buffers
    // that those loads need (Zen 4, 1 GB of weights, 2 threads, 21 rounds: 31.5 GB/s, against 27.1 into L1).
    SISKIN_UNROLL
    for (size_t line = 0; line < W::kBlockBytes; line += 64) __builtin_prefetch(w + line + kInt8PrefetchBytes, 0, 2);
    typename V::I dots[kRows];
    V::dot(W{}, w + kScaleBytes, x, b, dots);
    const typename V::F dw = V::load_f16(w);
    SISKIN_UNROLL
    for (size_t r = 0; r < kRows; ++r) {
      acc[r] = V::fma(V::mul(dw, V::broadcast(x.scale(r, b))), V::to_float(dots[r]), acc[r]);
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
    int8_tile<V, W, 1>(job, strip, row, RowInPlace{xq.q + first * kQuantBlock, xq.scale + first, xq.sum + first});
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

// Copies blocks [begin, end) of `rows` rows from row i on to `out` in the order of RowsOfPanel.
inline void copy_tile(const MatmulArgs& args, size_t i, size_t rows, size_t begin, size_t end, std::byte* out) {
  const size_t blocks = args.w.cols / kQuantBlock;
  for (size_t r = 0; r < rows; ++r) {
    const size_t first = activation_row(args, i + r) * blocks;
    std::byte* block = out;
    for (size_t b = begin; b < end; ++b, block += rows * kPanelBlockBytes) {
      std::byte* scales = block + rows * kQuantBlock;
      __builtin_memcpy(block + r * kQuantBlock, args.xq.q + (first + b) * kQuantBlock, kQuantBlock);
      __builtin_memcpy(scales + r * sizeof(float), args.xq.scale + first + b, sizeof(float));
      __builtin_memcpy(scales + (rows + r) * sizeof(float), args.xq.sum + first + b, sizeof(int32_t));
    }
  }
}

template <class V, class W>
void matvec_int8(const MatmulArgs& args) noexcept {
  walk_rows<Int8MatvecTile<V, W>, 1, 1>(args, Int8Job{args, 0, args.w.cols / kQuantBlock}, 0, 1);
}

// By panels of rows and chunks of blocks: the copied chunk serves all strips, a strip's chunk of weights stays in L1 for all
// rows of the panel, and the sums wait in y between chunks. The fewer the rows, the longer the chunks: weights are then read in
// order.
template <class V, class W>
void matmul_int8(const MatmulArgs& args) noexcept {
  constexpr size_t panel_rows = 64;
  constexpr size_t panel_blocks = panel_rows * 32;  // 32 blocks of 64 rows: 80 KB on the stack, beside 17 KB of Q8_0 weights
  alignas(64) std::byte panel[panel_blocks * kPanelBlockBytes];
  if (args.m == 0) return;
  const size_t blocks = args.w.cols / kQuantBlock;
  const size_t chunk = panel_blocks / (args.m < panel_rows ? args.m : panel_rows);
  for (size_t begin = 0; begin < args.m; begin += panel_rows) {
    const size_t end = args.m - begin < panel_rows ? args.m : begin + panel_rows;
    for (size_t b = 0; b < blocks; b += chunk) {
      const Int8Job job{args, b, blocks - b < chunk ? blocks : b + chunk, panel, begin};
      for (size_t i = begin; i < end;) {  // the tiles of walk_rows
        const size_t rows = even_share(end - i, V::kInt8Rows);
        copy_tile(args, i, rows, job.begin, job.end, panel + (i - begin) * (job.end - job.begin) * kPanelBlockBytes);
        i += rows;
      }
      walk_rows<Int8Tile<V, W>, 1, V::kInt8Rows>(args, job, begin, end);
    }
  }
}

}  // namespace
