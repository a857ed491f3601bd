// matmul by int8 activations for any number of rows: panels of rows and chunks of columns around the tile of
// matvec_int8-inl.h.
#pragma once

#include "kernels/generic/matvec_int8-inl.h"

namespace {

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
      __builtin_memcpy(scales + (2 * rows + r) * sizeof(float), args.xq.half + first + b, sizeof(int32_t));
    }
  }
}

// By panels of rows and chunks of blocks: the copied chunk serves all strips, a strip's chunk of weights stays in L1 for all
// rows of the panel, and the sums wait in y between chunks. The fewer the rows, the longer the chunks: weights are then read in
// order.
template <class V, class W>
void matmul_int8(const MatmulArgs& args) noexcept {
  constexpr size_t panel_rows = 64;
  constexpr size_t panel_blocks = panel_rows * 32;  // 32 blocks of 64 rows: 88 KB on the stack, beside 17 KB of Q8_0 weights
  constexpr size_t whole = W::kColumns / kQuantBlock;
  alignas(64) std::byte panel[panel_blocks * kPanelBlockBytes];
  if (args.m == 0) return;
  const size_t blocks = args.w.cols / kQuantBlock;
  const size_t chunk = panel_blocks / (args.m < panel_rows ? args.m : panel_rows) / whole * whole;
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
