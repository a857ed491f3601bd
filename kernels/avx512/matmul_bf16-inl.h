// matmul_any_bf16 on vdpbf16ps: 16 rows of a strip by 2 columns at a time, two strips by up to 12 activation rows in registers.
// By panels of activation rows and chunks of columns, like the other matmuls: a strip's chunk is unpacked to bf16 once per
// panel (r16k2 is read in place), stays in L1 for the panel's rows, and the sums wait in y between chunks. y[i, r] is one chain
// over pairs of k, ascending, so where a batch or the rows are cut changes no bit.
#pragma once

#include <immintrin.h>

#include "kernels/avx512/strip-inl.h"
#include "kernels/generic/bf16_unpack-inl.h"
#include "kernels/generic/matmul_walk-inl.h"

namespace {

constexpr size_t kDotTiles = 8;  // k steps of 32 columns in a chunk: 2 strips of it are 16 KB
constexpr size_t kDotColumns = kDotTiles * kTileColumns;
constexpr size_t kDotPanelRows = 96;
constexpr size_t kDotStride = kDotColumns + 32;  // of a copied row: a line more, so that rows fall into different cache sets

struct DotJob {
  const MatmulArgs& args;
  size_t k = 0;
  size_t pairs = 0;
  const uint16_t* panel = nullptr;
  size_t panel_begin = 0;
  const std::byte* weights[2] = {};  // of the strip group being multiplied
};

struct DotTile {
  using Job = DotJob;

  template <size_t kStrips, size_t kRows>
  [[gnu::noinline]] static void run(const DotJob& job, size_t strip, size_t row) {
    const MatmulArgs& args = job.args;
    __m512 sums[kStrips][kRows];
    load_sums<StripAvx512>(args, strip, row, job.k == 0, sums);
    const uint16_t* x = job.panel + (row - job.panel_begin) * kDotStride;
    for (size_t pair = 0; pair < job.pairs; ++pair) {
      __m512bh w[kStrips];
      SISKIN_UNROLL
      for (size_t s = 0; s < kStrips; ++s) __builtin_memcpy(&w[s], job.weights[s] + pair * kTileLine, kTileLine);
      SISKIN_UNROLL
      for (size_t r = 0; r < kRows; ++r) {
        int word;
        __builtin_memcpy(&word, x + r * kDotStride + pair * 2, sizeof(word));
        const __m512i both = _mm512_set1_epi32(word);
        __m512bh xk;
        __builtin_memcpy(&xk, &both, sizeof(xk));
        SISKIN_UNROLL
        for (size_t s = 0; s < kStrips; ++s) sums[s][r] = _mm512_dpbf16_ps(sums[s][r], w[s], xk);
      }
    }
    store_sums<StripAvx512>(args, strip, row, sums);
  }
};

// The chunk's tiles of one strip: in place, or unpacked to `out`.
template <class Unpack>
inline const std::byte* dot_weights(const siskin::PackedMatrix& w, size_t strip, size_t k, size_t tiles, std::byte* out) {
  const std::byte* data = w.data + strip * w.strip_bytes;
  if (Unpack::kInPlace && k + tiles * kTileColumns <= w.cols) return data + k / 2 * kTileLine;
  for (size_t t = 0; t < tiles; ++t) Unpack::run(w, data, k + t * kTileColumns, out + t * kTileBytes);
  return out;
}

template <class Unpack>
inline void dot_panel(const MatmulArgs& args, size_t begin, size_t end) {
  alignas(64) uint16_t panel[kDotPanelRows * kDotStride];
  alignas(64) std::byte unpacked[2][kDotTiles * kTileBytes];
  for (size_t k = 0; k < args.w.cols; k += kDotColumns) {
    const size_t left = (args.w.cols - k + kTileColumns - 1) / kTileColumns;
    const size_t tiles = left < kDotTiles ? left : kDotTiles;
    for (size_t i = begin; i < end; ++i) {
      __builtin_memcpy(panel + (i - begin) * kDotStride, args.xb + activation_row(args, i) * args.xb_stride + k,
                       tiles * kTileColumns * sizeof(uint16_t));
    }
    DotJob job{args, k, tiles * kTileColumns / 2, panel, begin};
    for (size_t strip = args.strip_begin; strip < args.strip_end; strip += 2) {
      const size_t strips = args.strip_end - strip < 2 ? 1 : 2;
      for (size_t s = 0; s < strips; ++s) job.weights[s] = dot_weights<Unpack>(args.w, strip + s, k, tiles, unpacked[s]);
      for (size_t i = begin; i < end;) {
        const size_t rows = even_share(end - i, 12);
        run_tile<DotTile, 2, 12>(job, strip, strips, i, rows);
        i += rows;
      }
    }
  }
}

template <class L>
void matmul_any_dots(const MatmulArgs& args) noexcept {
  with_unpacker<L>(args.w, [&]<class Unpack>(Unpack) {
    for (size_t begin = 0; begin < args.m; begin += kDotPanelRows) {
      dot_panel<Unpack>(args, begin, args.m - begin < kDotPanelRows ? args.m : begin + kDotPanelRows);
    }
  });
}

}  // namespace
