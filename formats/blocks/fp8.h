// FP8: floats of 8 bits (E4M3: sign, 4 bits of exponent, 3 of mantissa), 128 of them under one f32 scale.
// Source: OCP 8-bit Floating Point Specification 1.0, E4M3; torch.float8_e4m3fn; weight_block_size of DeepSeek-V3's
// checkpoints.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace siskin {

struct BlockF8 {
  static constexpr size_t kWeights = 128;
  float scale;
  uint8_t q[128];
};
static_assert(sizeof(BlockF8) == 132 && alignof(BlockF8) == 4);

inline constexpr float kLargestE4M3 = 448.0f;

// There is no infinity: the code of all ones is NaN, of either sign.
inline float f32_from_e4m3(uint8_t code) {
  const uint32_t sign = static_cast<uint32_t>(code & 0x80u) << 24;
  const uint32_t exponent = code >> 3 & 15u, mantissa = code & 7u;
  if ((code & 0x7fu) == 0x7fu) return std::bit_cast<float>(sign | 0x7fc00000u);
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-9
    return std::bit_cast<float>(std::bit_cast<uint32_t>(static_cast<float>(mantissa) * 0x1p-9f) | sign);
  }
  return std::bit_cast<float>(sign | (exponent + 120u) << 23 | mantissa << 20);
}

// Rounds to nearest, ties to even; what lies beyond the largest number becomes it; NaN stays NaN.
inline uint8_t e4m3_from_f32(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value), magnitude = bits & 0x7fffffffu;
  const uint32_t sign = bits >> 24 & 0x80u;
  const float size = std::bit_cast<float>(magnitude);
  if (magnitude > 0x7f800000u) return static_cast<uint8_t>(sign | 0x7fu);
  if (size >= kLargestE4M3 + 16.0f) return static_cast<uint8_t>(sign | 0x7eu);
  if (size < 0x1p-6f) return static_cast<uint8_t>(sign | static_cast<uint32_t>(std::nearbyint(size * 512.0f)));
  const uint32_t rounded = magnitude + 0x7ffffu + (magnitude >> 20 & 1u);
  return static_cast<uint8_t>(sign | ((rounded >> 20) - (120u << 3)));
}

// max|x| / 448: the largest value becomes the largest number.
inline float fp8_scale(const float* x, size_t n) {
  float largest = 0.0f;
  for (size_t k = 0; k < n; ++k) {
    if (std::fabs(x[k]) > largest) largest = std::fabs(x[k]);
  }
  return largest / kLargestE4M3;
}
inline void encode_fp8(const float* x, size_t n, float scale, uint8_t* codes) {
  for (size_t k = 0; k < n; ++k) codes[k] = scale > 0.0f ? e4m3_from_f32(x[k] / scale) : uint8_t{0};
}

inline void decode_block(const BlockF8& block, float* out) {
  for (size_t k = 0; k < BlockF8::kWeights; ++k) out[k] = f32_from_e4m3(block.q[k]) * block.scale;
}

inline void encode_block(const float* x, BlockF8* block) {
  block->scale = fp8_scale(x, BlockF8::kWeights);
  encode_fp8(x, BlockF8::kWeights, block->scale, block->q);
}

}  // namespace siskin
