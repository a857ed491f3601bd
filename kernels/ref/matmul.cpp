// y = W x over packed strips, scalar. Each output is one ascending sum over k, whatever the tile of rows.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "formats/blocks/fp8.h"
#include "formats/blocks/half.h"
#include "formats/packed/quant_strips.h"
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

// *y += a block of weights times the activations from their block x_block on.
void add_block(const MatmulArgs& args, const PackedBlock& w, size_t x_block, float* y) {
  for (size_t begin = 0; begin < w.columns; begin += kQuantBlock, ++x_block) {
    const int8_t* qx = args.xq.q + x_block * kQuantBlock;
    const float dx = args.xq.scale[x_block];
    const size_t width = kQuantBlock / w.scales;  // of what has one scale
    for (size_t k = 0; k < kQuantBlock; k += width) {
      int32_t dot = 0, sum = 0;
      for (size_t i = k; i < k + width; ++i) {
        dot += w.level[begin + i] * qx[i];
        sum += qx[i];
      }
      const size_t j = (begin + k) / 16;
      *y = std::fma(w.of_row ? dx : w.scale[j] * dx, static_cast<float>(dot), *y);
      if (w.minima) *y = std::fma(-w.minimum[j], dx * static_cast<float>(sum), *y);
    }
  }
}

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

void matmul_fp8(const MatmulArgs& args) noexcept {
  for (size_t s = args.strip_begin; s < args.strip_end; ++s) {
    const std::byte* strip = args.w.data + s * args.w.strip_bytes;
    for (size_t i = 0; i < args.m; ++i) {
      const float* x = args.x + source_row(args, i) * args.x_stride;
      float sums[kStripRows] = {};
      for (size_t r = 0; r < kStripRows; ++r) {
        for (size_t begin = 0; begin < args.w.cols; begin += BlockF8::kWeights) {
          const std::byte* block = strip + begin / BlockF8::kWeights * kStripRows * sizeof(BlockF8);
          const std::byte* codes = block + kStripRows * sizeof(float) + r * 2;
          float scale, sum = 0.0f;
          std::memcpy(&scale, block + r * sizeof(float), sizeof(scale));
          for (size_t k = 0; k < BlockF8::kWeights; ++k) {
            sum += f32_from_e4m3(std::to_integer<uint8_t>(codes[k / 2 * kStripRows * 2 + k % 2])) * x[begin + k];
          }
          sums[r] = std::fma(sum, scale, sums[r]);
        }
      }
      store(args, s, i, sums);
    }
  }
}

// Group by group and half by half, as kernels.h says.
void matmul_int8(const MatmulArgs& args) noexcept {
  const size_t x_blocks = args.w.cols / kQuantBlock;
  for (size_t s = args.strip_begin; s < args.strip_end; ++s) {
    const std::byte* strip = args.w.data + s * args.w.strip_bytes;
    for (size_t i0 = 0; i0 < args.m; i0 += kTile) {
      const size_t tile = std::min(kTile, args.m - i0);
      float sums[kTile][kStripRows] = {};
      for (size_t r = 0; r < kStripRows; ++r) {
        PackedBlock w{};
        for (size_t k = 0, b = 0; k < args.w.cols; k += w.columns) {
          read_packed_block(args.w.type, strip, r, b++, &w);
          for (size_t i = 0; i < tile; ++i) {
            add_block(args, w, source_row(args, i0 + i) * x_blocks + k / kQuantBlock, &sums[i][r]);
          }
        }
        for (size_t i = 0; i < tile && w.of_row; ++i) sums[i][r] *= w.scale[0];
      }
      for (size_t i = 0; i < tile; ++i) store(args, s, i0 + i, sums[i]);
    }
  }
}

}  // namespace siskin::ref
