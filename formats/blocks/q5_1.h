// Q5_1: 32 weights share a half-precision scale and minimum; each weight is scale * q + minimum with q in 0..31.
// Source: block_q5_1, quantize_row_q5_1_ref and dequantize_row_q5_1 of ggml.
#pragma once

#include <cstddef>
#include <cstdint>

#include "formats/blocks/q4_1.h"
#include "formats/blocks/q5_0.h"

namespace siskin {

struct BlockQ5_1 {
  static constexpr size_t kWeights = 32;
  uint16_t scale;    // f16
  uint16_t minimum;  // f16
  uint8_t high[4];   // as in Q5_0
  uint8_t low[16];
};
static_assert(sizeof(BlockQ5_1) == 24 && alignof(BlockQ5_1) == 2);

inline void decode_block(const BlockQ5_1& block, float* out) {
  const float scale = f32_from_f16(block.scale);
  const float minimum = f32_from_f16(block.minimum);
  int q[32];
  unpack_5bit(block.high, block.low, q);
  for (int k = 0; k < 32; ++k) out[k] = static_cast<float>(q[k]) * scale + minimum;
}

inline void encode_block(const float* x, BlockQ5_1* block) {
  const Range32 range(x, 31.0f);
  block->scale = f16_from_f32(range.scale);
  block->minimum = f16_from_f32(range.minimum);
  uint8_t q[32];
  for (int k = 0; k < 32; ++k) q[k] = range.level(x[k], 31.0f);
  pack_5bit(q, block->high, block->low);
}

}  // namespace siskin
