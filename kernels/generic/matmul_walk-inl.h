// The walk over a matmul's tiles, one for every weight type and instruction set: which strips and activation rows a tile gets.
// It decides speed only: a tile's sums do not depend on the tile's size, so neither do the results.
#pragma once

#include <cstddef>

#include "kernels/generic/unroll-inl.h"
#include "kernels/kernels.h"

namespace {

using siskin::kStripRows;
using siskin::MatmulArgs;

inline size_t activation_row(const MatmulArgs& args, size_t i) { return args.gather ? args.gather[i] : i; }

// Rows of a strip that exist.
inline size_t strip_height(const MatmulArgs& args, size_t strip) {
  const size_t left = args.w.rows - strip * kStripRows;
  return left < kStripRows ? left : kStripRows;
}

inline float* output_at(const MatmulArgs& args, size_t strip, size_t i) {
  return args.y + i * args.y_stride + (strip - args.strip_begin) * kStripRows;
}

// A tile's sums: zeros before the first columns, else what the columns before gave.
template <class V, size_t kStrips, size_t kRows>
[[gnu::always_inline]] inline void load_sums(const MatmulArgs& args, size_t strip, size_t row, bool first_columns,
                                             typename V::F (&sums)[kStrips][kRows]) {
  SISKIN_UNROLL
  for (size_t s = 0; s < kStrips; ++s) {
    const size_t height = strip_height(args, strip + s);
    const float* y = output_at(args, strip + s, row);
    SISKIN_UNROLL
    for (size_t r = 0; r < kRows; ++r) sums[s][r] = first_columns ? V::zero() : V::load_rows(y + r * args.y_stride, height);
  }
}

template <class V, size_t kStrips, size_t kRows>
[[gnu::always_inline]] inline void store_sums(const MatmulArgs& args, size_t strip, size_t row,
                                              const typename V::F (&sums)[kStrips][kRows]) {
  SISKIN_UNROLL
  for (size_t s = 0; s < kStrips; ++s) {
    const size_t height = strip_height(args, strip + s);
    float* y = output_at(args, strip + s, row);
    SISKIN_UNROLL
    for (size_t r = 0; r < kRows; ++r) V::store(y + r * args.y_stride, sums[s][r], height);
  }
}

// The size of the next tile: `left` things in equal tiles of at most `most`, so that 13 rows are 7 + 6 and not 12 + 1.
inline size_t even_share(size_t left, size_t most) {
  const size_t tiles = (left + most - 1) / most;
  return (left + tiles - 1) / tiles;
}

// Calls Body::run<kStrips, kRows> for the largest sizes down to the asked ones.
template <class Body, size_t kStrips, size_t kRows>
inline void run_tile_rows(const typename Body::Job& job, size_t strip, size_t i, size_t rows) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return run_tile_rows<Body, kStrips, kRows - 1>(job, strip, i, rows);
  }
  Body::template run<kStrips, kRows>(job, strip, i);
}

template <class Body, size_t kStrips, size_t kRows>
inline void run_tile(const typename Body::Job& job, size_t strip, size_t strips, size_t i, size_t rows) {
  if constexpr (kStrips > 1) {
    if (strips < kStrips) return run_tile<Body, kStrips - 1, kRows>(job, strip, strips, i, rows);
  }
  run_tile_rows<Body, kStrips, kRows>(job, strip, i, rows);
}

// Activation rows [begin, end) against all strips. A strip group's weights stay in cache while the rows pass by; with at most
// kRows rows the weights are read once, in order.
template <class Body, size_t kStrips, size_t kRows>
inline void walk_rows(const MatmulArgs& args, const typename Body::Job& job, size_t begin, size_t end) {
  for (size_t strip = args.strip_begin; strip < args.strip_end;) {
    const size_t strips = even_share(args.strip_end - strip, kStrips);
    for (size_t i = begin; i < end;) {
      const size_t rows = even_share(end - i, kRows);
      run_tile<Body, kStrips, kRows>(job, strip, strips, i, rows);
      i += rows;
    }
    strip += strips;
  }
}

}  // namespace
