// Q4_0: 32 weights share one half-precision scale; each weight is scale * (q - 8) with q in 0..15.
// Source: block_q4_0, quantize_row_q4_0_ref and dequantize_row_q4_0 of ggml.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "formats/blocks/half.h"

namespace siskin {

struct BlockQ4_0 {
  static constexpr size_t kWeights = 32;
  uint16_t scale;  // f16
  uint8_t q[16];   // byte j: weight j in the low nibble, weight j + 16 in the high one
};
static_assert(sizeof(BlockQ4_0) == 18 && alignof(BlockQ4_0) == 2);

inline void decode_block(const BlockQ4_0& block, float* out) {
  const float scale = f32_from_f16(block.scale);
  for (int j = 0; j < 16; ++j) {
    out[j] = static_cast<float>((block.q[j] & 15) - 8) * scale;
    out[j + 16] = static_cast<float>((block.q[j] >> 4) - 8) * scale;
  }
}

// scale = x_max / -8, where x_max is the first value of the largest magnitude, with its sign, so that it becomes q = 0 exactly.
// q = trunc(x / scale + 8.5). ggml's C rounds that sum to f32, with or without a fused multiply as the compiler pleases; the
// result is the same except within an ulp of a tie. We compute it in f64 as ggml's own Python reference (gguf.quants) does.
inline void encode_block(const float* x, BlockQ4_0* block) {
  float largest = 0.0f;
  float signed_largest = 0.0f;
  for (int k = 0; k < 32; ++k) {
    if (std::fabs(x[k]) > largest) {
      largest = std::fabs(x[k]);
      signed_largest = x[k];
    }
  }
  const float scale = signed_largest / -8.0f;
  const float inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
  block->scale = f16_from_f32(scale);
  const auto quantise = [inverse](float value) {
    const double shifted = static_cast<double>(value) * static_cast<double>(inverse) + 8.5;
    // Below zero only for NaN and infinities.
    return static_cast<uint8_t>(shifted >= 15.0 ? 15.0 : shifted > 0.0 ? shifted : 0.0);
  };
  for (int j = 0; j < 16; ++j) block->q[j] = static_cast<uint8_t>(quantise(x[j]) | quantise(x[j + 16]) << 4);
}

}  // namespace siskin
