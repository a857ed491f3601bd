// Q8_0: 32 weights share one half-precision scale; each weight is scale * q with q in -127..127.
// Source: block_q8_0, quantize_row_q8_0_ref and dequantize_row_q8_0 of ggml.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "formats/blocks/half.h"

namespace siskin {

struct BlockQ8_0 {
  static constexpr size_t kWeights = 32;
  uint16_t scale;  // f16
  int8_t q[32];
};
static_assert(sizeof(BlockQ8_0) == 34 && alignof(BlockQ8_0) == 2);

inline void decode_block(const BlockQ8_0& block, float* out) {
  const float scale = f32_from_f16(block.scale);
  for (int k = 0; k < 32; ++k) out[k] = static_cast<float>(block.q[k]) * scale;
}

// scale = max|x| / 127, q = round_half_away(x / scale); the division is by the f32 scale, before it is rounded to f16.
inline void encode_block(const float* x, BlockQ8_0* block) {
  float largest = 0.0f;
  for (int k = 0; k < 32; ++k) {
    const float magnitude = std::fabs(x[k]);
    if (magnitude > largest) largest = magnitude;
  }
  const float scale = largest / 127.0f;
  const float inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
  block->scale = f16_from_f32(scale);
  for (int k = 0; k < 32; ++k) {
    // The bounds matter only to NaN, infinity and blocks so small that `inverse` overflows: NaN becomes 0.
    const float rounded = std::round(x[k] * inverse);
    block->q[k] = static_cast<int8_t>(rounded >= 127.0f    ? 127.0f
                                      : rounded >= -127.0f ? rounded
                                      : rounded < -127.0f  ? -127.0f
                                                           : 0.0f);
  }
}

}  // namespace siskin
