// The walk over a matmul's tiles, one for every weight type and instruction set: which strips and activation rows a tile gets.
// It decides speed only: a tile's sums do not depend on the tile's size, so neither do the results.
#pragma once

#include <cstddef>

#include "kernels/kernels.h"

namespace {

using siskin::kStripRows;
using siskin::MatmulArgs;

constexpr size_t kPanelBytes =
    128 * 1024;  // activations that stay in L2 and its TLB beside a strip; 256 KB was 5% slower on Zen 4

inline size_t activation_row(const MatmulArgs& args, size_t i) { return args.gather ? args.gather[i] : i; }

// Rows of a strip that exist.
inline size_t strip_height(const MatmulArgs& args, size_t strip) {
  const size_t left = args.w.rows - strip * kStripRows;
  return left < kStripRows ? left : kStripRows;
}

inline float* output_at(const MatmulArgs& args, size_t strip, size_t i) {
  return args.y + i * args.y_stride + (strip - args.strip_begin) * kStripRows;
}

// The size of the next tile: `left` things in equal tiles of at most `most`, so that 13 rows are 7 + 6 and not 12 + 1.
inline size_t even_share(size_t left, size_t most) {
  const size_t tiles = (left + most - 1) / most;
  return (left + tiles - 1) / tiles;
}

// Calls Body::run<kStrips, kRows> for the largest sizes down to the asked ones.
template <class Body, size_t kStrips, size_t kRows>
inline void run_tile_rows(const MatmulArgs& args, size_t strip, size_t i, size_t rows) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return run_tile_rows<Body, kStrips, kRows - 1>(args, strip, i, rows);
  }
  Body::template run<kStrips, kRows>(args, strip, i);
}

template <class Body, size_t kStrips, size_t kRows>
inline void run_tile(const MatmulArgs& args, size_t strip, size_t strips, size_t i, size_t rows) {
  if constexpr (kStrips > 1) {
    if (strips < kStrips) return run_tile<Body, kStrips - 1, kRows>(args, strip, strips, i, rows);
  }
  run_tile_rows<Body, kStrips, kRows>(args, strip, i, rows);
}

// One activation row: weights are read once, in order.
template <class Body, size_t kStrips>
inline void walk_matvec(const MatmulArgs& args) {
  for (size_t strip = args.strip_begin; strip < args.strip_end;) {
    const size_t strips = even_share(args.strip_end - strip, kStrips);
    run_tile<Body, kStrips, 1>(args, strip, strips, 0, 1);
    strip += strips;
  }
}

// Many rows: a panel of activations stays in L2 while the weights pass by, and a tile's weights stay in L1 or L2 for the panel.
template <class Body, size_t kStrips, size_t kRows>
inline void walk_matmul(const MatmulArgs& args) {
  size_t panel = kPanelBytes / (args.w.cols * Body::kActivationBytes + 1) / kRows * kRows;
  if (panel == 0) panel = kRows;
  for (size_t begin = 0; begin < args.m; begin += panel) {
    const size_t end = args.m - begin < panel ? args.m : begin + panel;
    for (size_t strip = args.strip_begin; strip < args.strip_end;) {
      const size_t strips = even_share(args.strip_end - strip, kStrips);
      for (size_t i = begin; i < end;) {
        const size_t rows = even_share(end - i, kRows);
        run_tile<Body, kStrips, kRows>(args, strip, strips, i, rows);
        i += rows;
      }
      strip += strips;
    }
  }
}

}  // namespace
