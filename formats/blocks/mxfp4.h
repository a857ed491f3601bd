// MXFP4: 32 weights share a power of two; each weight is a 4-bit float (sign, 2 bits of exponent, 1 of mantissa) times it.
// Source: OCP Microscaling Formats (MX) Specification 1.0; block_mxfp4, quantize_row_mxfp4_ref and dequantize_row_mxfp4 of
// ggml.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace siskin {

struct BlockMXFP4 {
  static constexpr size_t kWeights = 32;
  uint8_t exponent;  // E8M0: 2^(exponent - 127)
  uint8_t q[16];     // byte j: weight j in the low nibble, weight j + 16 in the high one
};
static_assert(sizeof(BlockMXFP4) == 17 && alignof(BlockMXFP4) == 1);

// The sixteen E2M1 values, doubled so that they are whole; the scale is halved for it.
constexpr float mxfp4_doubled(int index) {
  constexpr int8_t kValues[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
  return static_cast<float>(kValues[index]);
}

// 2^(exponent - 128): below 2 the result is subnormal.
inline float mxfp4_half_scale(uint8_t exponent) {
  return std::bit_cast<float>(exponent < 2 ? 0x00200000u << exponent : (exponent - 1u) << 23);
}

inline void decode_block(const BlockMXFP4& block, float* out) {
  const float scale = mxfp4_half_scale(block.exponent);
  for (int j = 0; j < 16; ++j) {
    out[j] = mxfp4_doubled(block.q[j] & 15) * scale;
    out[j + 16] = mxfp4_doubled(block.q[j] >> 4) * scale;
  }
}

// exponent = floor(log2 max|x|) - 2, so that the largest value falls in [4, 8) where 6 is the last level; then the nearest
// level, the first of equally near ones.
inline void encode_block(const float* x, BlockMXFP4* block) {
  float largest = 0.0f;
  for (int k = 0; k < 32; ++k) {
    if (std::fabs(x[k]) > largest) largest = std::fabs(x[k]);
  }
  const float exponent = largest > 0.0f ? std::floor(std::log2(largest)) - 2.0f + 127.0f : 0.0f;
  block->exponent = static_cast<uint8_t>(exponent <= 0.0f ? 0.0f : exponent >= 254.0f ? 254.0f : exponent);
  const float scale = mxfp4_half_scale(block->exponent);
  const auto nearest = [scale](float value) {
    int best = 0;
    for (int index = 1; index < 16; ++index) {
      if (std::fabs(mxfp4_doubled(index) * scale - value) < std::fabs(mxfp4_doubled(best) * scale - value)) {
        best = index;
      }
    }
    return best;
  };
  for (int j = 0; j < 16; ++j) block->q[j] = static_cast<uint8_t>(nearest(x[j]) | nearest(x[j + 16]) << 4);
}

}  // namespace siskin
