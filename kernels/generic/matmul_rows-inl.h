// matvec and matmul over weights that lie in rows as in the file, for any type of blocks and any batch width A. Four rows are
// decoded to f32, a chunk of columns at a time, and the chunk is multiplied with every activation row before the next:
// decoding, which costs more than a product, happens once for the whole batch. y[i, r] = sum over chunks of 1024 columns,
// ascending, of the lanes' folded sums; a lane sums every width-th column by fma, ascending.
#pragma once

#include "formats/blocks/visit.h"
#include "kernels/generic/batch-inl.h"
#include "kernels/generic/matmul_walk-inl.h"
#include "kernels/generic/unroll-inl.h"

namespace {

// Not the baseline's decode_row: this copy is compiled for the unit's instruction set.
inline void decode_blocks_of(siskin::DType type, const std::byte* bytes, size_t n, float* out) {
  siskin::visit_block(type, [=]<class Block>(std::type_identity<Block>) {
    for (size_t b = 0; b < n / Block::kWeights; ++b) {
      Block block;
      __builtin_memcpy(&block, bytes + b * sizeof(Block), sizeof(Block));
      decode_block(block, out + b * Block::kWeights);
    }
  });
}

constexpr size_t kDecodedColumns = 1024;  // 4 rows of it are 16 KB, half of a small L1
constexpr size_t kDecodedRows = 4;
constexpr size_t kRowsTile = 4;  // activation rows per tile: 16 sums, which 32 registers hold beside 8 operands

using DecodedChunk = float[kDecodedRows][kDecodedColumns];

// y[i, r] (+)= w[r] . x[i] over n columns, for the first `rows` of the decoded rows.
template <class A>
struct RowsTile {
  template <size_t kRows>
  [[gnu::noinline]] static void run(const DecodedChunk& w, const float* const (&x)[kRowsTile], size_t n, size_t rows,
                                    bool first, float* y, size_t y_stride) {
    Batch<A> acc[kRows][kDecodedRows];
    SISKIN_UNROLL
    for (size_t i = 0; i < kRows; ++i) {
      SISKIN_UNROLL
      for (size_t r = 0; r < kDecodedRows; ++r) acc[i][r] = Batch<A>(0.0f);
    }
    for (size_t k = 0; k < n; k += Batch<A>::size) {
      Batch<A> wide[kDecodedRows];
      SISKIN_UNROLL
      for (size_t r = 0; r < kDecodedRows; ++r) wide[r] = Batch<A>::load_aligned(w[r] + k);
      SISKIN_UNROLL
      for (size_t i = 0; i < kRows; ++i) {
        const Batch<A> xk = Batch<A>::load_unaligned(x[i] + k);
        SISKIN_UNROLL
        for (size_t r = 0; r < kDecodedRows; ++r) acc[i][r] = xsimd::fma(wide[r], xk, acc[i][r]);
      }
    }
    for (size_t i = 0; i < kRows; ++i) {
      for (size_t r = 0; r < rows; ++r) {
        float& out = y[i * y_stride + r];
        out = (first ? 0.0f : out) + sum_lanes<A>(acc[i][r]);
      }
    }
  }
};

template <class A, size_t kRows = kRowsTile>
inline void run_rows_tile(const DecodedChunk& w, const float* const (&x)[kRowsTile], size_t tile, size_t n, size_t rows,
                          bool first, float* y, size_t y_stride) {
  if constexpr (kRows > 1) {
    if (tile < kRows) return run_rows_tile<A, kRows - 1>(w, x, tile, n, rows, first, y, y_stride);
  }
  RowsTile<A>::template run<kRows>(w, x, n, rows, first, y, y_stride);
}

template <class A>
void matmul_rows(const MatmulArgs& args) noexcept {
  const size_t stride = args.w.strip_bytes / kStripRows;
  alignas(64) DecodedChunk w;
  for (size_t row = args.strip_begin * kStripRows; row < args.strip_end * kStripRows && row < args.w.rows;
       row += kDecodedRows) {
    const size_t rows = args.w.rows - row < kDecodedRows ? args.w.rows - row : kDecodedRows;
    for (size_t k = 0; k < args.w.cols; k += kDecodedColumns) {
      const size_t n = args.w.cols - k < kDecodedColumns ? args.w.cols - k : kDecodedColumns;
      // The last strip is padded, so that four rows are always there.
      const std::byte* bytes = args.w.data + row * stride + k * stride / args.w.cols;
      SISKIN_NO_UNROLL
      for (size_t r = 0; r < kDecodedRows; ++r) decode_blocks_of(args.w.type, bytes + r * stride, n, w[r]);
      for (size_t i = 0; i < args.m;) {
        const size_t tile = even_share(args.m - i, kRowsTile);
        const float* x[kRowsTile];
        for (size_t j = 0; j < kRowsTile; ++j) x[j] = args.x + activation_row(args, j < tile ? i + j : i) * args.x_stride + k;
        run_rows_tile<A>(w, x, tile, n, rows, k == 0, args.y + i * args.y_stride + (row - args.strip_begin * kStripRows),
                         args.y_stride);
        i += tile;
      }
    }
  }
}

}  // namespace
