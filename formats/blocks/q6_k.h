// Q6_K: 256 weights in 16 groups of 16; each weight is scale_j * (q - 32) with q in 0..63, scale_j an 8-bit multiple of one
// half-precision number. Source: block_q6_K, quantize_row_q6_K_ref and dequantize_row_q6_K of ggml.
#pragma once

#include "formats/blocks/k_scales.h"

namespace siskin {

struct BlockQ6_K {
  static constexpr size_t kWeights = kSuperBlock;
  uint8_t low[128];  // byte 64 h + 32 p + l: bits 0..3 of weight 128 h + 32 p + l in the low nibble, of the one 64 later in the
                     // high one
  uint8_t high[64];  // bits 4 and 5, as pack_2bit says
  int8_t scales[16];
  uint16_t scale;  // f16
};
static_assert(sizeof(BlockQ6_K) == 210 && alignof(BlockQ6_K) == 2);

inline void decode_block(const BlockQ6_K& block, float* out) {
  const float scale = f32_from_f16(block.scale);
  for (int j = 0; j < 16; ++j) {
    const float d = scale * static_cast<float>(block.scales[j]);
    const int plane = j / 2 % 4;
    const uint8_t* low = block.low + 64 * (j / 8) + 32 * (plane % 2) + 16 * (j % 2);
    const uint8_t* high = block.high + 32 * (j / 8) + 16 * (j % 2);
    const int low_shift = 4 * (plane / 2), high_shift = 2 * plane;
    for (int l = 0; l < 16; ++l) {
      out[16 * j + l] = d * static_cast<float>(((low[l] >> low_shift & 15) | (high[l] >> high_shift & 3) << 4) - 32);
    }
  }
}

inline void encode_block(const float* x, BlockQ6_K* block) {
  uint8_t levels[kSuperBlock];
  float scales[16];
  for (size_t j = 0; j < 16; ++j) scales[j] = search_scale(x + 16 * j, 16, 32, levels + 16 * j);
  const float largest = signed_largest_of(scales, 16);
  *block = {};
  if (!(std::fabs(largest) >= kZeroGroup)) return;
  const float inverse = -128.0f / largest;
  block->scale = f16_from_f32(1.0f / inverse);
  for (size_t j = 0; j < 16; ++j) {
    block->scales[j] = static_cast<int8_t>(round_within(inverse * scales[j], -128, 127));
    const float d = f32_from_f16(block->scale) * static_cast<float>(block->scales[j]);
    if (d == 0.0f) continue;
    for (size_t k = 16 * j; k < 16 * (j + 1); ++k) levels[k] = static_cast<uint8_t>(round_within(x[k] / d, -32, 31) + 32);
  }
  uint8_t upper[kSuperBlock];
  for (size_t k = 0; k < kSuperBlock; ++k) upper[k] = static_cast<uint8_t>(levels[k] >> 4);
  pack_2bit(upper, block->high);
  for (size_t b = 0; b < 128; ++b) {
    const uint8_t* at = levels + 128 * (b / 64) + b % 64;
    block->low[b] = static_cast<uint8_t>((at[0] & 15) | (at[64] & 15) << 4);
  }
}

}  // namespace siskin
