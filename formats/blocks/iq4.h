// IQ4_NL and IQ4_XS: 4-bit indices into 16 fixed levels that lie denser around zero. IQ4_NL has one half-precision scale per 32
// weights; IQ4_XS one per 256, times a 6-bit scale from -32 to 31 per group of 32. Source: block_iq4_nl, block_iq4_xs,
// kvalues_iq4nl, quantize_iq4_nl, quantize_iq4_xs and their dequantize_row functions of ggml.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "formats/blocks/half.h"
#include "formats/blocks/scale_search.h"

namespace siskin {

// A table of its own in every caller: a shared constant's symbol would be unique to the program, and instruction sets' units
// share nothing.
constexpr float iq4_level(int index) {
  constexpr int8_t kLevels[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
  return static_cast<float>(kLevels[index]);
}

struct BlockIQ4_NL {
  static constexpr size_t kWeights = 32;
  uint16_t scale;  // f16
  uint8_t q[16];   // byte j: weight j in the low nibble, weight j + 16 in the high one
};
static_assert(sizeof(BlockIQ4_NL) == 18 && alignof(BlockIQ4_NL) == 2);

struct BlockIQ4_XS {
  static constexpr size_t kWeights = 256;
  uint16_t scale;         // f16
  uint16_t scales_high;   // bits 2 j and 2 j + 1: bits 4 and 5 of group j's scale + 32
  uint8_t scales_low[4];  // its bits 0..3: even j in the low nibble of byte j / 2, odd j in the high one
  uint8_t q[128];         // 16 bytes per group, as in IQ4_NL
};
static_assert(sizeof(BlockIQ4_XS) == 136 && alignof(BlockIQ4_XS) == 2);

inline void decode_iq4_group(const uint8_t* q, float scale, float* out) {
  for (int j = 0; j < 16; ++j) {
    out[j] = scale * iq4_level(q[j] & 15);
    out[j + 16] = scale * iq4_level(q[j] >> 4);
  }
}

inline void decode_block(const BlockIQ4_NL& block, float* out) { decode_iq4_group(block.q, f32_from_f16(block.scale), out); }

inline void decode_block(const BlockIQ4_XS& block, float* out) {
  const float scale = f32_from_f16(block.scale);
  for (int j = 0; j < 8; ++j) {
    const int stored = (block.scales_low[j / 2] >> 4 * (j % 2) & 15) | (block.scales_high >> 2 * j & 3) << 4;
    decode_iq4_group(block.q + 16 * j, scale * static_cast<float>(stored - 32), out + 32 * j);
  }
}

// The index of the level nearest to x; the upper of two equally near ones.
inline int nearest_iq4(float x) {
  int index = 0;
  while (index < 15 && !(x - iq4_level(index) < iq4_level(index + 1) - x)) ++index;
  return index;
}

inline void pack_iq4_group(const float* x, float inverse, uint8_t* q) {
  for (int j = 0; j < 16; ++j) {
    q[j] = static_cast<uint8_t>(nearest_iq4(inverse * x[j]) | nearest_iq4(inverse * x[j + 16]) << 4);
  }
}

// The best of 16 scales by the error weighted with x^2: the largest value put on -127, on +127, and up to 7 beside -127.
inline float search_iq4_scale(const float* x) {
  const float largest = signed_largest_of(x, 32);
  if (!(std::fabs(largest) >= kZeroGroup)) return 0.0f;
  float scale = 0.0f;
  float best = 0.0f;
  const auto attempt = [&](float inverse) {
    ScaleFit fit;
    for (size_t k = 0; k < 32; ++k) {
      const auto level = iq4_level(nearest_iq4(inverse * x[k]));
      const float weighted = x[k] * x[k] * level;
      fit.xl += weighted * x[k];
      fit.ll += weighted * level;
    }
    if (!(fit.ll > 0.0f && fit.xl * fit.xl > best * fit.ll)) return;
    scale = fit.scale();
    best = scale * fit.xl;
  };
  attempt(1.0f / (-largest / iq4_level(0)));
  for (int step = -7; step <= 7; ++step) attempt((static_cast<float>(step) + iq4_level(0)) / largest);
  return scale;
}

inline void encode_block(const float* x, BlockIQ4_NL* block) {
  const float scale = search_iq4_scale(x);
  block->scale = f16_from_f32(scale);
  pack_iq4_group(x, scale != 0.0f ? 1.0f / scale : 0.0f, block->q);
}

inline void encode_block(const float* x, BlockIQ4_XS* block) {
  float scales[8];
  for (size_t j = 0; j < 8; ++j) scales[j] = search_iq4_scale(x + 32 * j);
  const float unit = -signed_largest_of(scales, 8) / 32.0f;
  const float inverse_unit = unit != 0.0f ? 1.0f / unit : 0.0f;
  *block = {};
  block->scale = f16_from_f32(unit);
  for (int j = 0; j < 8; ++j) {
    const int multiple = round_within(inverse_unit * scales[j], -32, 31);
    const int stored = multiple + 32;
    block->scales_low[j / 2] = static_cast<uint8_t>(block->scales_low[j / 2] | (stored & 15) << 4 * (j % 2));
    block->scales_high = static_cast<uint16_t>(block->scales_high | stored >> 4 << 2 * j);
    const float scale = unit * static_cast<float>(multiple);
    pack_iq4_group(x + 32 * j, scale != 0.0f ? 1.0f / scale : 0.0f, block->q + 16 * j);
  }
}

}  // namespace siskin
