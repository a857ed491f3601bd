// Q4_1: 32 weights share a half-precision scale and minimum; each weight is scale * q + minimum with q in 0..15.
// Source: block_q4_1, quantize_row_q4_1_ref and dequantize_row_q4_1 of ggml.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "formats/blocks/half.h"

namespace siskin {

struct BlockQ4_1 {
  static constexpr size_t kWeights = 32;
  uint16_t scale;    // f16
  uint16_t minimum;  // f16
  uint8_t q[16];     // byte j: weight j in the low nibble, weight j + 16 in the high one
};
static_assert(sizeof(BlockQ4_1) == 20 && alignof(BlockQ4_1) == 2);

inline void decode_block(const BlockQ4_1& block, float* out) {
  const float scale = f32_from_f16(block.scale);
  const float minimum = f32_from_f16(block.minimum);
  for (int j = 0; j < 16; ++j) {
    out[j] = static_cast<float>(block.q[j] & 15) * scale + minimum;
    out[j + 16] = static_cast<float>(block.q[j] >> 4) * scale + minimum;
  }
}

// What Q4_1 and Q5_1 encode alike: the range of 32 values cut into `most` steps.
struct Range32 {
  float minimum, scale, inverse;

  Range32(const float* x, float most) {
    minimum = *std::min_element(x, x + 32);
    scale = (*std::max_element(x, x + 32) - minimum) / most;
    inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
  }
  // trunc((x - minimum) / scale + 0.5); the bounds matter only to NaN and infinities.
  uint8_t level(float x, float most) const {
    const float shifted = (x - minimum) * inverse + 0.5f;
    return static_cast<uint8_t>(shifted >= most ? most : shifted > 0.0f ? shifted : 0.0f);
  }
};

inline void encode_block(const float* x, BlockQ4_1* block) {
  const Range32 range(x, 15.0f);
  block->scale = f16_from_f32(range.scale);
  block->minimum = f16_from_f32(range.minimum);
  for (int j = 0; j < 16; ++j) {
    block->q[j] = static_cast<uint8_t>(range.level(x[j], 15.0f) | range.level(x[j + 16], 15.0f) << 4);
  }
}

}  // namespace siskin
