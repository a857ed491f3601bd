// What the K types share: their super-blocks of 256 weights, 2-bit planes, and the 6-bit scales and minima of Q4_K and Q5_K.
// Source: get_scale_min_k4 and quantize_row_q4_K_ref of ggml.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "formats/blocks/half.h"
#include "formats/blocks/scale_search.h"

namespace siskin {

inline constexpr size_t kSuperBlock = 256;

// The low two bits of 256 levels: byte 32 h + l holds those of weights 128 h + l + {0, 32, 64, 96}, lowest first.
inline void pack_2bit(const uint8_t* levels, uint8_t (&q)[64]) {
  for (size_t h = 0; h < 2; ++h) {
    for (size_t l = 0; l < 32; ++l) {
      const uint8_t* at = levels + 128 * h + l;
      q[32 * h + l] = static_cast<uint8_t>((at[0] & 3) | (at[32] & 3) << 2 | (at[64] & 3) << 4 | (at[96] & 3) << 6);
    }
  }
}

// Eight pairs of 6-bit numbers in 12 bytes: pairs 0..3 in the low six bits of bytes j (scale) and j + 4 (minimum); pairs 4..7
// with their low nibbles in byte j + 4 and their upper two bits above the numbers of bytes j - 4 (scale) and j (minimum).
struct PackedScales {
  uint8_t bytes[12];

  uint8_t scale(size_t j) const {
    return static_cast<uint8_t>(j < 4 ? bytes[j] & 63 : (bytes[j + 4] & 15) | (bytes[j - 4] >> 6) << 4);
  }
  uint8_t minimum(size_t j) const {
    return static_cast<uint8_t>(j < 4 ? bytes[j + 4] & 63 : bytes[j + 4] >> 4 | (bytes[j] >> 6) << 4);
  }
  // REQUIRES: called for j ascending.
  void set(size_t j, int scale, int minimum) {
    if (j < 4) {
      bytes[j] = static_cast<uint8_t>(scale);
      bytes[j + 4] = static_cast<uint8_t>(minimum);
      return;
    }
    bytes[j + 4] = static_cast<uint8_t>((scale & 15) | (minimum & 15) << 4);
    bytes[j - 4] = static_cast<uint8_t>(bytes[j - 4] | (scale >> 4) << 6);
    bytes[j] = static_cast<uint8_t>(bytes[j] | (minimum >> 4) << 6);
  }
};
static_assert(sizeof(PackedScales) == 12);

// A super-block of 8 groups of 32, each scale * level - minimum: Q4_K and Q5_K before their levels are packed.
struct AffineGroups {
  uint16_t scale;    // f16, of the 6-bit scales
  uint16_t minimum;  // f16, of the 6-bit minima
  PackedScales scales;
  uint8_t levels[kSuperBlock];
};

// Weights |x| + rms(group). The levels are rounded again with the scales as they will be read.
inline void encode_affine_groups(const float* x, const AffineSearch& search, AffineGroups* out) {
  ScaleAndMinimum fits[8];
  float largest_scale = 0.0f, largest_minimum = 0.0f;
  for (size_t j = 0; j < 8; ++j) {
    const float* group = x + 32 * j;
    float squares = 0.0f;
    for (size_t k = 0; k < 32; ++k) squares += group[k] * group[k];
    const float rms = std::sqrt(squares / 32.0f);
    float weights[32];
    for (size_t k = 0; k < 32; ++k) weights[k] = rms + std::fabs(group[k]);
    fits[j] = search_affine(group, weights, 32, search, out->levels + 32 * j);
    largest_scale = std::max(largest_scale, fits[j].scale);
    largest_minimum = std::max(largest_minimum, fits[j].minimum);
  }
  const float inverse_scale = largest_scale > 0.0f ? 63.0f / largest_scale : 0.0f;
  const float inverse_minimum = largest_minimum > 0.0f ? 63.0f / largest_minimum : 0.0f;
  out->scale = f16_from_f32(largest_scale / 63.0f);
  out->minimum = f16_from_f32(largest_minimum / 63.0f);
  for (size_t j = 0; j < 8; ++j) {
    out->scales.set(j, round_within(inverse_scale * fits[j].scale, 0, 63),
                    round_within(inverse_minimum * fits[j].minimum, 0, 63));
  }
  for (size_t j = 0; j < 8; ++j) {
    const float scale = f32_from_f16(out->scale) * static_cast<float>(out->scales.scale(j));
    if (scale == 0.0f) continue;
    const float minimum = f32_from_f16(out->minimum) * static_cast<float>(out->scales.minimum(j));
    for (size_t k = 32 * j; k < 32 * (j + 1); ++k) {
      out->levels[k] = static_cast<uint8_t>(round_within((x[k] + minimum) / scale, 0, search.most));
    }
  }
}

}  // namespace siskin
