// Q5_0: 32 weights share one half-precision scale; each weight is scale * (q - 16) with q in 0..31.
// Source: block_q5_0, quantize_row_q5_0_ref and dequantize_row_q5_0 of ggml.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "formats/blocks/half.h"

namespace siskin {

struct BlockQ5_0 {
  static constexpr size_t kWeights = 32;
  uint16_t scale;   // f16
  uint8_t high[4];  // bit k (of 32, little-endian): bit 4 of weight k
  uint8_t low[16];  // byte j: bits 0..3 of weight j in the low nibble, of weight j + 16 in the high one
};
static_assert(sizeof(BlockQ5_0) == 22 && alignof(BlockQ5_0) == 2);

// The 5-bit numbers of Q5_0 and Q5_1, put together and taken apart.
inline void unpack_5bit(const uint8_t (&high)[4], const uint8_t (&low)[16], int (&q)[32]) {
  uint32_t bits;
  std::memcpy(&bits, high, sizeof(bits));
  for (uint32_t j = 0; j < 16; ++j) {
    q[j] = static_cast<int>((low[j] & 15u) | (bits >> j & 1u) << 4);
    q[j + 16] = static_cast<int>((low[j] >> 4) | (bits >> (j + 16) & 1u) << 4);
  }
}

inline void pack_5bit(const uint8_t (&q)[32], uint8_t (&high)[4], uint8_t (&low)[16]) {
  uint32_t bits = 0;
  for (uint32_t k = 0; k < 32; ++k) bits |= static_cast<uint32_t>(q[k] >> 4) << k;
  std::memcpy(high, &bits, sizeof(bits));
  for (int j = 0; j < 16; ++j) low[j] = static_cast<uint8_t>((q[j] & 15) | (q[j + 16] & 15) << 4);
}

inline void decode_block(const BlockQ5_0& block, float* out) {
  const float scale = f32_from_f16(block.scale);
  int q[32];
  unpack_5bit(block.high, block.low, q);
  for (int k = 0; k < 32; ++k) out[k] = static_cast<float>(q[k] - 16) * scale;
}

// As Q4_0: scale = x_max / -16, q = trunc(x / scale + 16.5), the sum in f64 as ggml's Python reference has it.
inline void encode_block(const float* x, BlockQ5_0* block) {
  float largest = 0.0f;
  float signed_largest = 0.0f;
  for (int k = 0; k < 32; ++k) {
    if (std::fabs(x[k]) > largest) {
      largest = std::fabs(x[k]);
      signed_largest = x[k];
    }
  }
  const float scale = signed_largest / -16.0f;
  const double inverse = scale != 0.0f ? static_cast<double>(1.0f / scale) : 0.0;
  block->scale = f16_from_f32(scale);
  uint8_t q[32];
  for (int k = 0; k < 32; ++k) {
    const double shifted = static_cast<double>(x[k]) * inverse + 16.5;
    q[k] = static_cast<uint8_t>(shifted >= 31.0 ? 31.0 : shifted > 0.0 ? shifted : 0.0);  // below zero: NaN and infinities
  }
  pack_5bit(q, block->high, block->low);
}

}  // namespace siskin
