// Q2_K: 256 weights in 16 groups of 16; each weight is scale_j * q - minimum_j with q in 0..3, scale_j and minimum_j 4-bit
// multiples of two half-precision numbers. Source: block_q2_K, quantize_row_q2_K_ref and dequantize_row_q2_K of ggml.
#pragma once

#include "formats/blocks/k_scales.h"

namespace siskin {

struct BlockQ2_K {
  static constexpr size_t kWeights = kSuperBlock;
  uint8_t scales[16];  // group j: scale in the low nibble, minimum in the high one
  uint8_t q[64];       // 2-bit planes, as pack_2bit says
  uint16_t scale;      // f16
  uint16_t minimum;    // f16
};
static_assert(sizeof(BlockQ2_K) == 84 && alignof(BlockQ2_K) == 2);

inline void decode_block(const BlockQ2_K& block, float* out) {
  const float scale = f32_from_f16(block.scale);
  const float minimum = f32_from_f16(block.minimum);
  for (int j = 0; j < 16; ++j) {
    const float group_scale = scale * static_cast<float>(block.scales[j] & 15);
    const float group_minimum = minimum * static_cast<float>(block.scales[j] >> 4);
    const uint8_t* q = block.q + 32 * (j / 8) + 16 * (j % 2);
    const int shift = 2 * (j / 2 % 4);
    for (int l = 0; l < 16; ++l) out[16 * j + l] = group_scale * static_cast<float>(q[l] >> shift & 3) - group_minimum;
  }
}

inline void encode_block(const float* x, BlockQ2_K* block) {
  constexpr AffineSearch kSearch = {3, -0.5f, 15, true};
  uint8_t levels[kSuperBlock];
  ScaleAndMinimum fits[16];
  float largest_scale = 0.0f, largest_minimum = 0.0f;
  for (size_t j = 0; j < 16; ++j) {
    float weights[16];
    for (size_t l = 0; l < 16; ++l) weights[l] = std::fabs(x[16 * j + l]);
    fits[j] = search_affine(x + 16 * j, weights, 16, kSearch, levels + 16 * j);
    largest_scale = std::max(largest_scale, fits[j].scale);
    largest_minimum = std::max(largest_minimum, fits[j].minimum);
  }
  const float inverse_scale = largest_scale > 0.0f ? 15.0f / largest_scale : 0.0f;
  const float inverse_minimum = largest_minimum > 0.0f ? 15.0f / largest_minimum : 0.0f;
  block->scale = f16_from_f32(largest_scale / 15.0f);
  block->minimum = f16_from_f32(largest_minimum / 15.0f);
  for (size_t j = 0; j < 16; ++j) {
    const int group_scale = round_within(inverse_scale * fits[j].scale, 0, 15);
    const int group_minimum = round_within(inverse_minimum * fits[j].minimum, 0, 15);
    block->scales[j] = static_cast<uint8_t>(group_scale | group_minimum << 4);
    const float d = f32_from_f16(block->scale) * static_cast<float>(group_scale);
    if (d == 0.0f) continue;
    const float m = f32_from_f16(block->minimum) * static_cast<float>(group_minimum);
    for (size_t k = 16 * j; k < 16 * (j + 1); ++k) levels[k] = static_cast<uint8_t>(round_within((x[k] + m) / d, 0, 3));
  }
  pack_2bit(levels, block->q);
}

}  // namespace siskin
