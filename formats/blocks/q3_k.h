// Q3_K: 256 weights in 16 groups of 16; each weight is scale_j * (q - 4) with q in 0..7, scale_j a 6-bit multiple, from -32 to
// 31, of one half-precision number. Source: block_q3_K, quantize_row_q3_K_ref and dequantize_row_q3_K of ggml.
#pragma once

#include "formats/blocks/k_scales.h"

namespace siskin {

struct BlockQ3_K {
  static constexpr size_t kWeights = kSuperBlock;
  uint8_t high[32];    // bit b of byte l: bit 2 of weight 32 b + l
  uint8_t q[64];       // the other two bits, as pack_2bit says
  uint8_t scales[12];  // scale + 32: low nibbles of groups j and j + 8 in byte j < 8; upper bits of groups j + {0, 4, 8, 12} in
                       // byte 8 + j
  uint16_t scale;      // f16
};
static_assert(sizeof(BlockQ3_K) == 110 && alignof(BlockQ3_K) == 2);

inline int group_scale(const BlockQ3_K& block, int j) {
  const int low = j < 8 ? block.scales[j] & 15 : block.scales[j - 8] >> 4;
  return (low | (block.scales[8 + j % 4] >> 2 * (j / 4) & 3) << 4) - 32;
}

// REQUIRES: the scale bytes were zero before the first call.
inline void set_group_scale(BlockQ3_K* block, size_t j, int stored) {
  block->scales[j % 8] = static_cast<uint8_t>(block->scales[j % 8] | (stored & 15) << 4 * (j / 8));
  block->scales[8 + j % 4] = static_cast<uint8_t>(block->scales[8 + j % 4] | stored >> 4 << 2 * (j / 4));
}

inline void decode_block(const BlockQ3_K& block, float* out) {
  const float scale = f32_from_f16(block.scale);
  for (int j = 0; j < 16; ++j) {
    const float d = scale * static_cast<float>(group_scale(block, j));
    const uint8_t* q = block.q + 32 * (j / 8) + 16 * (j % 2);
    const uint8_t* high = block.high + 16 * (j % 2);
    const int shift = 2 * (j / 2 % 4), bit = j / 2;
    for (int l = 0; l < 16; ++l) {
      out[16 * j + l] = d * static_cast<float>((q[l] >> shift & 3) + 4 * (high[l] >> bit & 1) - 4);
    }
  }
}

inline void encode_block(const float* x, BlockQ3_K* block) {
  uint8_t levels[kSuperBlock];
  float scales[16];
  for (size_t j = 0; j < 16; ++j) scales[j] = descend_scale(x + 16 * j, 16, 4, levels + 16 * j);
  const float largest = signed_largest_of(scales, 16);
  *block = {};
  const float inverse = largest != 0.0f ? -32.0f / largest : 0.0f;
  block->scale = f16_from_f32(largest != 0.0f ? 1.0f / inverse : 0.0f);
  for (int j = 0; j < 16; ++j) {
    const int stored = largest != 0.0f ? round_within(inverse * scales[j], -32, 31) + 32 : 0;
    set_group_scale(block, static_cast<size_t>(j), stored);
    const float d = f32_from_f16(block->scale) * static_cast<float>(stored - 32);
    if (d == 0.0f) continue;
    for (int k = 16 * j; k < 16 * (j + 1); ++k) levels[k] = static_cast<uint8_t>(round_within(x[k] / d, -4, 3) + 4);
  }
  for (size_t k = 0; k < kSuperBlock; ++k) {
    block->high[k % 32] = static_cast<uint8_t>(block->high[k % 32] | levels[k] >> 2 << k / 32);
  }
  pack_2bit(levels, block->q);
}

}  // namespace siskin
