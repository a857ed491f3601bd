// matmul_any_bf16 on tiles, one body for every weight type: Tiles is a tile layer (amx/tiles-inl.h, amx/tiles_plain-inl.h), L
// the lanes that unpack weights.
//
// A block of C is 2 x 2 tiles (tmm4-7): 32 activation rows (A, tmm0-1) by 2 strips (B, tmm2-3), so that four multiplies use
// four loads. It stays in tiles over a chunk of 512 columns; between chunks it waits in y, which changes no bit. A chunk of two
// strips in bf16 is 32 KB and stays in L1 while the activation rows pass by; the next two strips are unpacked meanwhile into a
// second buffer, a tile's worth after each k step, so that the vector units work while the tile unit does (all at once in
// front, they would take 15 to 20 percent of the time at 512 rows).
#pragma once

#include "kernels/generic/bf16_unpack-inl.h"
#include "kernels/generic/matmul_walk-inl.h"

namespace {

constexpr size_t kTileRows = 16;
constexpr size_t kChunkTiles = 16;
constexpr size_t kChunkColumnsBf16 = kChunkTiles * kTileColumns;
constexpr size_t kGatheredRows = 128;  // rows whose chunk is copied at a time: 128 KB, in L2

// A's tile of the next k step, rows `stride` bytes apart; the one after it lies `step` further.
struct TileRun {
  const std::byte* at;
  size_t step;
  size_t stride;
};

// One or two strips' chunk of columns in bf16, and the unpacking of it, call by call: `due` spreads the calls over the k steps
// of the strips that are multiplied meanwhile.
template <class Unpack>
struct Strips {
  const siskin::PackedMatrix* w = nullptr;
  size_t strip = 0, n = 0;  // n == 0: none
  size_t k = 0, tiles = 0;  // first column, k steps
  std::byte* out = nullptr;
  size_t unpacked = 0, end = 0;  // tiles done, tiles to do
  size_t due = 0, steps = 1;

  const std::byte* data(size_t s) const { return w->data + (strip + s) * w->strip_bytes; }
  bool in_place() const { return Unpack::kInPlace && k + tiles * kTileColumns <= w->cols; }
  void unpack_one() {
    const size_t s = unpacked < tiles ? 0 : 1, t = unpacked - s * tiles;
    Unpack::run(*w, data(s), k + t * kTileColumns, out + (s * kChunkTiles + t) * kTileBytes);
    ++unpacked;
  }
  [[gnu::always_inline]] void step() {
    for (due += end; due >= steps; due -= steps) unpack_one();
  }
  void finish() {
    while (unpacked < end) unpack_one();
  }
  // One tile after another.
  const std::byte* tiles_of(size_t s) const {
    return in_place() ? data(s) + k / kTileColumns * kTileBytes : out + s * kChunkTiles * kTileBytes;
  }
};

// C's tile of some rows and one strip: in y where all of it exists, else beside.
struct OutputTile {
  float* y;
  size_t y_stride;
  size_t rows, height;
  alignas(64) float aside[kTileRows][kStripRows];

  bool whole() const { return rows == kTileRows && height == kStripRows; }
  void* at() { return whole() ? static_cast<void*>(y) : aside; }
  size_t stride() const { return whole() ? y_stride * sizeof(float) : sizeof(aside[0]); }
  void fetch() {
    if (whole()) return;
    __builtin_memset(aside, 0, sizeof(aside));
    for (size_t r = 0; r < rows; ++r) __builtin_memcpy(aside[r], y + r * y_stride, height * sizeof(float));
  }
  void put_back() const {
    if (whole()) return;
    for (size_t r = 0; r < rows; ++r) __builtin_memcpy(y + r * y_stride, aside[r], height * sizeof(float));
  }
};

template <class Tiles, class Unpack>
class TileMatmul {
 public:
  explicit TileMatmul(const MatmulArgs& args) : args_(args) {}

  void run() {
    if (args_.m == 0 || args_.strip_begin >= args_.strip_end) return;
    tiles_.configure();
    const size_t most = args_.gather ? kGatheredRows : args_.m;
    for (begin_ = 0; begin_ < args_.m; begin_ = end_) {
      end_ = args_.m - begin_ < most ? args_.m : begin_ + most;
      run_panel();
    }
    tiles_.release();
  }

 private:
  // Activation rows [begin_, end_) against all strips, a chunk of columns after the other.
  void run_panel() {
    Strips<Unpack> next = strips_from(args_.strip_begin, 0);
    next.finish();
    while (next.n != 0) {
      const Strips<Unpack> current = next;
      next = after(current);
      if (current.strip == args_.strip_begin) copy_rows(current.k, current.tiles);
      run_strips(current, next);
      next.finish();
    }
  }

  Strips<Unpack> strips_from(size_t strip, size_t k) {
    Strips<Unpack> strips;
    if (k >= args_.w.cols) return strips;
    const size_t left = (args_.w.cols - k + kTileColumns - 1) / kTileColumns;
    strips.w = &args_.w;
    strips.strip = strip;
    strips.n = args_.strip_end - strip < 2 ? 1 : 2;
    strips.k = k;
    strips.tiles = left < kChunkTiles ? left : kChunkTiles;
    strips.out = weights_[buffer_ ^= 1];
    strips.end = strips.in_place() ? 0 : strips.n * strips.tiles;
    return strips;
  }

  // What follows, to be unpacked during the k steps of `current`.
  Strips<Unpack> after(const Strips<Unpack>& current) {
    const bool more = current.strip + current.n < args_.strip_end;
    Strips<Unpack> strips = more ? strips_from(current.strip + current.n, current.k)
                                 : strips_from(args_.strip_begin, current.k + kChunkColumnsBf16);
    strips.steps = (end_ - begin_ + 2 * kTileRows - 1) / (2 * kTileRows) * current.tiles;
    return strips;
  }

  // Rows from a block's start on that are read where they lie: all, unless gathered or fewer than a tile's.
  bool reads_rows_in_place(size_t block) const { return !args_.gather && block + kTileRows <= end_; }

  // Copies a chunk of what cannot be read in place, tile by tile; rows past the last are zero.
  void copy_rows(size_t k, size_t tiles) {
    for (size_t block = begin_; block < end_; block += kTileRows) {
      if (reads_rows_in_place(block)) continue;
      std::byte* out = copied(block);
      for (size_t r = 0; r < kTileRows; ++r) {
        const bool exists = block + r < end_;
        const uint16_t* x = exists ? args_.xb + activation_row(args_, block + r) * args_.xb_stride + k : nullptr;
        for (size_t t = 0; t < tiles; ++t) {
          std::byte* line = out + t * kTileBytes + r * kTileLine;
          if (exists) {
            __builtin_memcpy(line, x + t * kTileColumns, kTileLine);
          } else {
            __builtin_memset(line, 0, kTileLine);
          }
        }
      }
    }
  }

  std::byte* copied(size_t block) {
    // Without gather only the last block is copied.
    return rows_ + (args_.gather ? (block - begin_) / kTileRows : 0) * kChunkTiles * kTileBytes;
  }

  TileRun rows(size_t block, size_t k) {
    if (!reads_rows_in_place(block)) return {copied(block), kTileBytes, kTileLine};
    const auto* x = reinterpret_cast<const std::byte*>(args_.xb + block * args_.xb_stride + k);
    return {x, kTileLine, args_.xb_stride * sizeof(uint16_t)};
  }

  void run_strips(const Strips<Unpack>& current, Strips<Unpack>& next) {
    const std::byte* const b[2] = {current.tiles_of(0), current.tiles_of(current.n - 1)};
    for (size_t block = begin_; block < end_; block += 2 * kTileRows) {
      const bool two = block + kTileRows < end_;
      const TileRun a[2] = {rows(block, current.k), rows(two ? block + kTileRows : block, current.k)};
      if (two && current.n == 2) {
        run_block<2, 2>(block, current, a, b, next);
      } else if (two) {
        run_block<2, 1>(block, current, a, b, next);
      } else if (current.n == 2) {
        run_block<1, 2>(block, current, a, b, next);
      } else {
        run_block<1, 1>(block, current, a, b, next);
      }
    }
  }

  template <size_t kRows, size_t kStrips>
  [[gnu::noinline]] void run_block(size_t block, const Strips<Unpack>& current, const TileRun (&a)[2],
                                   const std::byte* const (&b)[2], Strips<Unpack>& next) {
    OutputTile c[kRows][kStrips];
    for (size_t r = 0; r < kRows; ++r) {
      for (size_t s = 0; s < kStrips; ++s) {
        const size_t row = block + r * kTileRows;
        c[r][s].y = output_at(args_, current.strip + s, row);
        c[r][s].y_stride = args_.y_stride;
        c[r][s].rows = end_ - row < kTileRows ? end_ - row : kTileRows;
        c[r][s].height = strip_height(args_, current.strip + s);
      }
    }
    if (current.k == 0) {
      tiles_.template zero<4>();
      tiles_.template zero<5>();
      tiles_.template zero<6>();
      tiles_.template zero<7>();
    } else {
      for (auto& row : c) {
        for (OutputTile& tile : row) tile.fetch();
      }
      tiles_.template load<4>(c[0][0].at(), c[0][0].stride());
      if constexpr (kStrips == 2) tiles_.template load<5>(c[0][1].at(), c[0][1].stride());
      if constexpr (kRows == 2) tiles_.template load<6>(c[1][0].at(), c[1][0].stride());
      if constexpr (kRows == 2 && kStrips == 2) tiles_.template load<7>(c[1][1].at(), c[1][1].stride());
    }
    // Local, so that they stay in registers whatever the unpacking writes.
    TileRun a0 = a[0], a1 = a[1];
    const std::byte *b0 = b[0], *b1 = b[1];
    for (size_t t = 0; t < current.tiles; ++t) {
      tiles_.template load<2>(b0, kTileLine);
      tiles_.template load<0>(a0.at, a0.stride);
      tiles_.template dot_bf16<4, 0, 2>();
      if constexpr (kStrips == 2) {
        tiles_.template load<3>(b1, kTileLine);
        tiles_.template dot_bf16<5, 0, 3>();
      }
      if constexpr (kRows == 2) {
        tiles_.template load<1>(a1.at, a1.stride);
        tiles_.template dot_bf16<6, 1, 2>();
        if constexpr (kStrips == 2) tiles_.template dot_bf16<7, 1, 3>();
      }
      a0.at += a0.step;
      a1.at += a1.step;
      b0 += kTileBytes;
      b1 += kTileBytes;
      next.step();
    }
    tiles_.template store<4>(c[0][0].at(), c[0][0].stride());
    if constexpr (kStrips == 2) tiles_.template store<5>(c[0][1].at(), c[0][1].stride());
    if constexpr (kRows == 2) tiles_.template store<6>(c[1][0].at(), c[1][0].stride());
    if constexpr (kRows == 2 && kStrips == 2) tiles_.template store<7>(c[1][1].at(), c[1][1].stride());
    for (auto& row : c) {
      for (OutputTile& tile : row) tile.put_back();
    }
  }

  const MatmulArgs& args_;
  Tiles tiles_;
  size_t begin_ = 0, end_ = 0;  // activation rows of the panel
  size_t buffer_ = 0;
  alignas(64) std::byte weights_[2][2 * kChunkTiles * kTileBytes];
  alignas(64) std::byte rows_[kGatheredRows / kTileRows * kChunkTiles * kTileBytes];
};

template <class Tiles, class L>
void matmul_any_tiles(const MatmulArgs& args) noexcept {
  with_unpacker<L>(args.w, [&]<class Unpack>(Unpack) { TileMatmul<Tiles, Unpack>(args).run(); });
}

}  // namespace
