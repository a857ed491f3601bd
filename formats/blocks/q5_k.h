// Q5_K: as Q4_K, with q in 0..31.
// Source: block_q5_K, quantize_row_q5_K_ref and dequantize_row_q5_K of ggml.
#pragma once

#include "formats/blocks/k_scales.h"

namespace siskin {

struct BlockQ5_K {
  static constexpr size_t kWeights = kSuperBlock;
  uint16_t scale;    // f16
  uint16_t minimum;  // f16
  PackedScales scales;
  uint8_t high[32];  // bit j of byte l: bit 4 of weight 32 j + l
  uint8_t q[128];    // byte 32 p + l: weight 64 p + l in the low nibble, weight 64 p + 32 + l in the high one
};
static_assert(sizeof(BlockQ5_K) == 176 && alignof(BlockQ5_K) == 2);

inline void decode_block(const BlockQ5_K& block, float* out) {
  const float scale = f32_from_f16(block.scale);
  const float minimum = f32_from_f16(block.minimum);
  for (size_t j = 0; j < 8; ++j) {
    const float d = scale * static_cast<float>(block.scales.scale(j));
    const float m = minimum * static_cast<float>(block.scales.minimum(j));
    const uint8_t* q = block.q + 32 * (j / 2);
    const int shift = 4 * (j % 2);
    for (size_t l = 0; l < 32; ++l) {
      out[32 * j + l] = d * static_cast<float>((q[l] >> shift & 15) | (block.high[l] >> j & 1) << 4) - m;
    }
  }
}

inline void encode_block(const float* x, BlockQ5_K* block) {
  AffineGroups groups;
  encode_affine_groups(x, {31, -0.5f, 15, false}, &groups);
  block->scale = groups.scale;
  block->minimum = groups.minimum;
  block->scales = groups.scales;
  for (size_t l = 0; l < 32; ++l) {
    int high = 0;
    for (size_t j = 0; j < 8; ++j) high |= groups.levels[32 * j + l] >> 4 << j;
    block->high[l] = static_cast<uint8_t>(high);
    for (size_t p = 0; p < 4; ++p) {
      const uint8_t* at = groups.levels + 64 * p + l;
      block->q[32 * p + l] = static_cast<uint8_t>((at[0] & 15) | (at[32] & 15) << 4);
    }
  }
}

}  // namespace siskin
