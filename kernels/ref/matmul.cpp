// y = W x over packed strips, scalar. Each output is one ascending sum over k, whatever the tile of rows.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "formats/blocks/codec.h"
#include "formats/blocks/half.h"
#include "kernels/ref/bodies.h"

namespace siskin::ref {
namespace {

constexpr size_t kTile = 8;  // activation rows that share one widening of the weights

size_t source_row(const MatmulArgs& args, size_t i) { return args.gather != nullptr ? args.gather[i] : i; }

void store(const MatmulArgs& args, size_t strip, size_t i, const float* sums) {
  const size_t rows = std::min(kStripRows, args.w.rows - strip * kStripRows);
  std::copy_n(sums, rows, args.y + i * args.y_stride + (strip - args.strip_begin) * kStripRows);
}

// y[i, r] = sum_k widen(W[r, k]) * x[g(i), k].  `widen(strip, k, w)` writes the 16 weights of column k.
template <class Widen>
void matmul_floats(const MatmulArgs& args, Widen widen) {
  for (size_t s = args.strip_begin; s < args.strip_end; ++s) {
    const std::byte* strip = args.w.data + s * args.w.strip_bytes;
    for (size_t i0 = 0; i0 < args.m; i0 += kTile) {
      const size_t tile = std::min(kTile, args.m - i0);
      const float* x[kTile];
      for (size_t i = 0; i < tile; ++i) x[i] = args.x + source_row(args, i0 + i) * args.x_stride;
      float sums[kTile][kStripRows] = {};
      for (size_t k = 0; k < args.w.cols; ++k) {
        float w[kStripRows];
        widen(strip, k, w);
        for (size_t i = 0; i < tile; ++i) {
          for (size_t r = 0; r < kStripRows; ++r) sums[i][r] += w[r] * x[i][k];
        }
      }
      for (size_t i = 0; i < tile; ++i) store(args, s, i0 + i, sums[i]);
    }
  }
}

// y[i, r] = sum_b fma(dw[r,b] * dx[b], sum_{k in b} qw[r,k] * qx[k], .)  with q = unpack(block, r, k).
template <size_t kBlockBytes, class Unpack>
void matmul_quants(const MatmulArgs& args, Unpack unpack) {
  const size_t n_blocks = args.w.cols / kQuantBlock;
  for (size_t s = args.strip_begin; s < args.strip_end; ++s) {
    for (size_t i = 0; i < args.m; ++i) {
      const size_t row = source_row(args, i);
      const std::byte* block = args.w.data + s * args.w.strip_bytes;
      float sums[kStripRows] = {};
      for (size_t b = 0; b < n_blocks; ++b, block += kBlockBytes) {
        const int8_t* qx = args.xq.q + row * args.w.cols + b * kQuantBlock;
        const float dx = args.xq.scale[row * n_blocks + b];
        for (size_t r = 0; r < kStripRows; ++r) {
          int32_t dot = 0;
          for (size_t k = 0; k < kQuantBlock; ++k) dot += unpack(block, r, k) * qx[k];
          uint16_t dw;
          std::memcpy(&dw, block + r * 2, sizeof(dw));
          sums[r] = std::fma(f32_from_f16(dw) * dx, static_cast<float>(dot), sums[r]);
        }
      }
      store(args, s, i, sums);
    }
  }
}

constexpr size_t kScaleBytes = kStripRows * 2;

}  // namespace

void matmul_f32(const MatmulArgs& args) noexcept {
  matmul_floats(args, [](const std::byte* strip, size_t k, float* w) { std::memcpy(w, strip + k * 64, 64); });
}

void matmul_f16(const MatmulArgs& args) noexcept {
  matmul_floats(args, [](const std::byte* strip, size_t k, float* w) {
    uint16_t halves[kStripRows];
    std::memcpy(halves, strip + k * sizeof(halves), sizeof(halves));
    for (size_t r = 0; r < kStripRows; ++r) w[r] = f32_from_f16(halves[r]);
  });
}

void matmul_bf16(const MatmulArgs& args) noexcept {
  matmul_floats(args, [](const std::byte* strip, size_t k, float* w) {
    uint16_t pairs[kStripRows][2];
    std::memcpy(pairs, strip + k / 2 * sizeof(pairs), sizeof(pairs));
    for (size_t r = 0; r < kStripRows; ++r) w[r] = f32_from_bf16(pairs[r][k % 2]);
  });
}

// Rows as in the file: a piece of one is decoded, then multiplied with a tile of activation rows.
void matmul_rows(const MatmulArgs& args) noexcept {
  constexpr size_t kPiece = 256;  // a whole number of blocks of every type
  for (size_t s = args.strip_begin; s < args.strip_end; ++s) {
    const size_t rows = std::min(kStripRows, args.w.rows - s * kStripRows);
    for (size_t i0 = 0; i0 < args.m; i0 += kTile) {
      const size_t tile = std::min(kTile, args.m - i0);
      float sums[kTile][kStripRows] = {};
      for (size_t r = 0; r < rows; ++r) {
        const std::byte* row = args.w.data + s * args.w.strip_bytes + r * (args.w.strip_bytes / kStripRows);
        for (size_t begin = 0; begin < args.w.cols; begin += kPiece) {
          float w[kPiece];
          const size_t n = std::min(kPiece, args.w.cols - begin);
          decode_row(args.w.type, row + row_bytes(args.w.type, begin), w, n);
          for (size_t i = 0; i < tile; ++i) {
            const float* x = args.x + source_row(args, i0 + i) * args.x_stride + begin;
            for (size_t k = 0; k < n; ++k) sums[i][r] += w[k] * x[k];
          }
        }
      }
      for (size_t i = 0; i < tile; ++i) store(args, s, i0 + i, sums[i]);
    }
  }
}

void matmul_q8_0(const MatmulArgs& args) noexcept {
  matmul_quants<544>(args, [](const std::byte* block, size_t r, size_t k) {
    return std::to_integer<int32_t>(block[kScaleBytes + k / 4 * 64 + r * 4 + k % 4]) - 128;
  });
}

void matmul_q4_0(const MatmulArgs& args) noexcept {
  matmul_quants<288>(args, [](const std::byte* block, size_t r, size_t k) {
    const size_t low = k % 16;  // the byte that holds k and k + 16
    const int32_t both = std::to_integer<int32_t>(block[kScaleBytes + low / 4 * 64 + r * 4 + low % 4]);
    return (k < 16 ? both & 15 : both >> 4) - 8;
  });
}

}  // namespace siskin::ref
