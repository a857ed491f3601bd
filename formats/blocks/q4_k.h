// Q4_K: 256 weights in 8 groups of 32; each weight is scale_j * q - minimum_j with q in 0..15, scale_j and minimum_j 6-bit
// multiples of two half-precision numbers. Source: block_q4_K, quantize_row_q4_K_ref and dequantize_row_q4_K of ggml.
#pragma once

#include "formats/blocks/k_scales.h"

namespace siskin {

struct BlockQ4_K {
  static constexpr size_t kWeights = kSuperBlock;
  uint16_t scale;    // f16
  uint16_t minimum;  // f16
  PackedScales scales;
  uint8_t q[128];  // byte 32 p + l: weight 64 p + l in the low nibble, weight 64 p + 32 + l in the high one
};
static_assert(sizeof(BlockQ4_K) == 144 && alignof(BlockQ4_K) == 2);

inline void decode_block(const BlockQ4_K& block, float* out) {
  const float scale = f32_from_f16(block.scale);
  const float minimum = f32_from_f16(block.minimum);
  for (size_t j = 0; j < 8; ++j) {
    const float d = scale * static_cast<float>(block.scales.scale(j));
    const float m = minimum * static_cast<float>(block.scales.minimum(j));
    const uint8_t* q = block.q + 32 * (j / 2);
    const int shift = 4 * (j % 2);
    for (size_t l = 0; l < 32; ++l) out[32 * j + l] = d * static_cast<float>(q[l] >> shift & 15) - m;
  }
}

inline void encode_block(const float* x, BlockQ4_K* block) {
  AffineGroups groups;
  encode_affine_groups(x, {15, -1.0f, 20, false}, &groups);
  block->scale = groups.scale;
  block->minimum = groups.minimum;
  block->scales = groups.scales;
  for (size_t p = 0; p < 4; ++p) {
    for (size_t l = 0; l < 32; ++l) {
      block->q[32 * p + l] = static_cast<uint8_t>(groups.levels[64 * p + l] | groups.levels[64 * p + 32 + l] << 4);
    }
  }
}

}  // namespace siskin
