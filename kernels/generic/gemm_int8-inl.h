// matmul of many rows by int8 activations, for every weight type and instruction set: weights are unpacked once per panel of
// rows, to bytes and f32 scales, and one tile loop multiplies them. V::dots, the dots of a group, is the only part that
// differs; a V whose tiles are one strip wide uses its dot instead.
#pragma once

#include "kernels/generic/matmul_float-inl.h"
#include "kernels/generic/matvec_int8-inl.h"

namespace {

constexpr size_t kVectorBytes = kStripRows * sizeof(float);

// An unpacked group of 32 columns of kStrips strips: [scale][strip] 16 scales if the blocks have any, as many mins likewise,
// then [column / 4][strip] the codes of 4 columns, which a dot finds as it would in a packed type.
template <class W>
constexpr size_t kUnpackedBytes = (W::kScales * ((W::kRowScale ? 0 : 1) + (W::kMins ? 1 : 0)) + 8) * kVectorBytes;

template <class W, size_t kStrips>
constexpr size_t kCodesAt = kStrips*(kUnpackedBytes<W> - 8 * kVectorBytes);

template <int offset, int most, size_t scales, bool mins, bool row_scale>
struct Unpacked : WeightCodes<Unpacked<offset, most, scales, mins, row_scale>> {
  static constexpr bool kRowScale = row_scale;
  static constexpr int kOffset = offset;
  static constexpr int kMostCode = most;
  static constexpr size_t kScales = scales;
  static constexpr bool kMins = mins;

  static constexpr size_t kWords = 8;
  static const std::byte* words(const std::byte* codes, size_t) { return codes; }
  template <class V, class Words>
  [[gnu::always_inline]] static typename V::I pick(const Words& words, size_t step, size_t part) {
    return words(part * 4 + step);
  }
};

// `unpacked` starts at the strip's first scale.
template <class V, class W>
[[gnu::always_inline]] inline void unpack_group(const std::byte* block, size_t group, std::byte* unpacked, size_t strips) {
  SISKIN_UNROLL
  for (size_t half = 0; half < W::kScales; ++half) {
    const auto vector = [=](size_t i) { return reinterpret_cast<float*>(unpacked + i * strips * kVectorBytes); };
    if constexpr (!W::kRowScale) V::store(vector(half), W::template scale<V>(block, group, half), kStripRows);
    if constexpr (W::kMins) V::store(vector(W::kScales + half), W::template min<V>(block, group, half), kStripRows);
  }
  typename V::I codes[8];
  W::template codes<V>(block, group, codes);
  unpacked += strips * (kUnpackedBytes<W> - 8 * kVectorBytes);
  SISKIN_UNROLL
  for (size_t j = 0; j < 8; ++j) V::store_codes(unpacked + j * strips * 64, codes[j]);
}

// The job's blocks of `strips` strips.
template <class V, class W>
[[gnu::noinline]] inline void unpack_strips(const Int8Job& job, size_t strip, size_t strips, std::byte* out) {
  constexpr size_t groups = W::kColumns / kQuantBlock;
  const std::byte* w = chunk_of<W>(job, strip);
  for (size_t b = job.begin; b < job.end; b += groups, w += W::kBlockBytes) {
    for (size_t group = 0; group < groups; ++group, out += strips * kUnpackedBytes<W>) {
      for (size_t s = 0; s < strips; ++s) {
        unpack_group<V, W>(w + s * job.args.w.strip_bytes, group, out + s * kVectorBytes, strips);
      }
    }
  }
}

// acc[s][r] += the group's products of strip s with row r.
template <class V, class W, size_t kStrips, size_t kRows, class Rows>
[[gnu::always_inline]] inline void gemm_group(const std::byte* w, const Rows& x, size_t b,
                                              typename V::F (&acc)[kStrips][kRows]) {
  typename V::I dots[W::kScales][kStrips][kRows];
  if constexpr (V::kGemmStrips > 1) {
    V::template dots<W>(w + kCodesAt<W, kStrips>, x, b, dots);
  } else {
    typename V::I of_strip[W::kScales][kRows];
    V::template dot<W>(w + kCodesAt<W, 1>, 0, x, b, of_strip);
    __builtin_memcpy(dots, of_strip, sizeof(dots));
  }
  SISKIN_UNROLL
  for (size_t half = 0; half < W::kScales; ++half) {
    SISKIN_UNROLL
    for (size_t s = 0; s < kStrips; ++s) {
      const auto vector = [=](size_t i) { return V::load(WeightsF32{}, w + (i * kStrips + s) * kVectorBytes, 0); };
      typename V::F scale = V::zero(), min = V::zero();
      if constexpr (!W::kRowScale) scale = vector(half);
      if constexpr (W::kMins) min = vector(W::kScales + half);
      add_scaled<V, W>(scale, min, dots[half][s], x, b, half, acc[s]);
    }
  }
}

constexpr size_t kGemmChunk = 64;  // blocks

struct GemmJob {
  const Int8Job& rows;
  const std::byte* unpacked;  // of the tile's strips
  const std::byte* ahead;     // packed weights of the next strips: each block of a tile asks for a line of them into L2
};

template <class V, class W>
struct GemmTile {
  using Job = GemmJob;
  template <size_t kStrips, size_t kRows>
  [[gnu::noinline]] static void run(const GemmJob& job, size_t strip, size_t row) {
    const MatmulArgs& args = job.rows.args;
    float* y = output_at(args, strip, row);
    const size_t last_height = strip_height(args, strip + kStrips - 1);
    const auto height = [=](size_t s) { return s + 1 < kStrips ? kStripRows : last_height; };
    typename V::F acc[kStrips][kRows];
    SISKIN_UNROLL
    for (size_t s = 0; s < kStrips; ++s) {
      SISKIN_UNROLL
      for (size_t r = 0; r < kRows; ++r) {
        acc[s][r] = job.rows.begin == 0 ? V::zero() : V::load_rows(y + r * args.y_stride + s * kStripRows, height(s));
      }
    }
    const RowsOfTile<W, kRows, kGemmChunk> x(job.rows, row);
    const std::byte* w = job.unpacked;
    const size_t blocks = job.rows.end - job.rows.begin;
    for (size_t b = 0; b < blocks; ++b, w += kStrips * kUnpackedBytes<W>) {
      __builtin_prefetch(job.ahead + b * 64, 0, 2);
      gemm_group<V, W>(w, x, b, acc);
    }
    SISKIN_UNROLL
    for (size_t s = 0; s < kStrips; ++s) finish_rows<V, W>(job.rows, strip + s, acc[s]);
    SISKIN_UNROLL
    for (size_t s = 0; s < kStrips; ++s) {
      SISKIN_UNROLL
      for (size_t r = 0; r < kRows; ++r) V::store(y + r * args.y_stride + s * kStripRows, acc[s][r], height(s));
    }
  }
};

// What tile `tile` of `tiles` asks for ahead of the strips from `next` on: the tiles share the strips out, each in its order.
// Without a next strip, something that is in the cache.
template <size_t kStrips>
inline const std::byte* ahead_of(const Int8Job& job, const std::byte* next, size_t tile, size_t tiles, const std::byte* none) {
  if (!next) return none;
  const size_t strip = tile * kStrips / tiles, first = (strip * tiles + kStrips - 1) / kStrips;
  return next + strip * job.args.w.strip_bytes + (tile - first) * (job.end - job.begin) * 64;
}

// A panel of rows and a chunk of blocks at a time: the chunk's weights are unpacked for a few strips, and every row of the
// panel passes by them; sums wait in y between chunks. Long chunks, though they hold weights in L2 instead of L1: what a tile
// costs to begin and to end weighs more (Zen 4, a tile of 2 x 6, share of the vpdpbusd peak: 80% in chunks of 64 blocks, 78% of
// 32, 73% of 16; 80% is the most that one product of scales and one fma per 8 vpdpbusd leave).
template <class V, class W>
void gemm_int8(const MatmulArgs& args) noexcept {
  using U = typename V::template UnpackedOf<W>;
  constexpr size_t panel_rows = 128;
  constexpr size_t most_rows = V::template kGemmRows<W::kScales>;
  alignas(64) std::byte unpacked[kGemmChunk * V::kGemmStrips * kUnpackedBytes<U>];
  alignas(64) std::byte factors[panel_rows * kFactorBytes<U, kGemmChunk>];
  const size_t blocks = args.w.cols / kQuantBlock;
  for (size_t begin = 0, end; begin < args.m; begin = end) {
    end = begin + even_share(args.m - begin, panel_rows);
    for (size_t b = 0, chunk; b < blocks; b += chunk) {
      chunk = whole_blocks<W>(even_share(blocks - b, kGemmChunk));
      const Int8Job job{args, b, b + chunk, factors, begin};
      copy_factors<W, kGemmChunk>(job, end, factors);
      for (size_t strip = args.strip_begin, strips; strip < args.strip_end; strip += strips) {
        strips = even_share(args.strip_end - strip, V::kGemmStrips);
        unpack_strips<V, W>(job, strip, strips, unpacked);
        const size_t next = strip + strips, tiles = (end - begin + most_rows - 1) / most_rows;
        const std::byte* packed = next < args.strip_end ? chunk_of<W>(job, next) : nullptr;
        for (size_t i = begin, rows, tile = 0; i < end; i += rows, ++tile) {
          rows = even_share(end - i, most_rows);
          const GemmJob tile_job{job, unpacked, ahead_of<V::kGemmStrips>(job, packed, tile, tiles, unpacked)};
          run_tile<GemmTile<V, U>, V::kGemmStrips, most_rows>(tile_job, strip, strips, i, rows);
        }
      }
    }
  }
}

}  // namespace
