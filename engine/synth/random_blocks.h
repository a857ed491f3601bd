// Random blocks of every type that has small scales or minima: random codes, and scales that give the asked deviation.
#pragma once

#include <cmath>
#include <cstring>

#include "engine/synth/random_weights.h"
#include "formats/blocks/visit.h"

namespace siskin {

// Between 0.74 and 1.24 with mean square 1, so that a kernel that mixes up block scales gives wrong answers.
inline float scale_factor(uint64_t bits) { return (0.75f + static_cast<float>(bits & 0xffu) / 512.0f) / 1.0094f; }

// Root mean square of whole numbers from low to high, and their deviation from the mean.
inline float rms_between(int low, int high) {
  float squares = 0.0f;
  for (int i = low; i <= high; ++i) squares += static_cast<float>(i * i);
  return std::sqrt(squares / static_cast<float>(high - low + 1));
}
inline float deviation_of_levels(int n) { return std::sqrt(static_cast<float>(n * n - 1) / 12.0f); }
inline float rms_of_iq4() {
  float squares = 0.0f;
  for (int i = 0; i < 16; ++i) squares += iq4_level(i) * iq4_level(i);
  return std::sqrt(squares / 16.0f);
}

// set_scales: the block's codes are random already; `sigma` is the deviation of its weights, `bits` are more random bits.
// Levels that are not balanced around 0 get scales of either sign, as encoders write them too.
inline float either_sign(uint64_t bits) { return (bits & 0x100u) != 0 ? -1.0f : 1.0f; }

template <class Block>
requires std::is_same_v<Block, BlockQ4_1> || std::is_same_v<Block, BlockQ5_1>
inline void set_scales(Block* block, float sigma, RandomBits& random) {
  const int n = std::is_same_v<Block, BlockQ4_1> ? 16 : 32;
  block->scale = f16_from_f32(sigma * scale_factor(random.next()) / deviation_of_levels(n));
  block->minimum = f16_from_f32(f32_from_f16(block->scale) * static_cast<float>(1 - n) / 2.0f);
}

inline void set_scales(BlockQ5_0* block, float sigma, RandomBits& random) {
  const uint64_t bits = random.next();
  block->scale = f16_from_f32(either_sign(bits) * sigma * scale_factor(bits) / rms_between(-16, 15));
}

inline void set_scales(BlockIQ4_NL* block, float sigma, RandomBits& random) {
  const uint64_t bits = random.next();
  block->scale = f16_from_f32(either_sign(bits) * sigma * scale_factor(bits) / rms_of_iq4());
}

inline void set_scales(BlockIQ4_XS* block, float sigma, RandomBits& random) {
  block->scale = f16_from_f32(sigma * scale_factor(random.next()) / (rms_of_iq4() * rms_between(-32, 31)));
}

// Powers of two: the one below and the one above, as often as gives the mean square.
inline void set_scales(BlockMXFP4* block, float sigma, RandomBits& random) {
  constexpr float kDoubledRms = 5.8523f;
  const float below = std::floor(std::log2(sigma / kDoubledRms));
  const float ratio = sigma / kDoubledRms / std::exp2(below);
  const bool above = static_cast<float>(random.next() >> 40) * 0x1p-24f < (ratio * ratio - 1.0f) / 3.0f;
  block->exponent = static_cast<uint8_t>(below + 128.0f + (above ? 1.0f : 0.0f));
}

// Minima of half the range times the scale: the weights lie around 0.
template <class Block>
requires std::is_same_v<Block, BlockQ4_K> || std::is_same_v<Block, BlockQ5_K>
inline void set_scales(Block* block, float sigma, RandomBits& random) {
  const int n = std::is_same_v<Block, BlockQ4_K> ? 16 : 32;
  block->scale = f16_from_f32(sigma * scale_factor(random.next()) / (deviation_of_levels(n) * rms_between(32, 63)));
  block->minimum = f16_from_f32(f32_from_f16(block->scale) * static_cast<float>(n - 1) / 2.0f);
  uint64_t bits = random.next();
  for (size_t j = 0; j < 8; ++j, bits >>= 5) {
    const int scale = 32 + static_cast<int>(bits & 31u);
    block->scales.set(j, scale, scale);
  }
}

inline void set_scales(BlockQ2_K* block, float sigma, RandomBits& random) {
  block->scale = f16_from_f32(sigma * scale_factor(random.next()) / (deviation_of_levels(4) * rms_between(8, 15)));
  block->minimum = f16_from_f32(f32_from_f16(block->scale) * 1.5f);
  for (uint8_t& both : block->scales) both = static_cast<uint8_t>((8 | (both & 7)) * 0x11);
}

inline void set_scales(BlockQ3_K* block, float sigma, RandomBits& random) {
  block->scale = f16_from_f32(sigma * scale_factor(random.next()) / (rms_between(-4, 3) * rms_between(-32, 31)));
}

inline void set_scales(BlockQ6_K* block, float sigma, RandomBits& random) {
  block->scale = f16_from_f32(sigma * scale_factor(random.next()) / (rms_between(-32, 31) * rms_between(64, 127)));
  for (int8_t& scale : block->scales) scale = static_cast<int8_t>(scale < 0 ? -64 - (scale & 63) : 64 + (scale & 63));
}

// Blocks without such a form are filled elsewhere.
template <class Block>
concept HasRandomBlock = requires(Block* block, RandomBits& random) {
  set_scales(block, 1.0f, random);
};

template <HasRandomBlock Block>
inline void fill_random_blocks(size_t blocks, float sigma, RandomBits& random, std::byte* out) {
  for (size_t b = 0; b < blocks; ++b, out += sizeof(Block)) {
    uint64_t bits[(sizeof(Block) + 7) / 8];
    for (uint64_t& word : bits) word = random.next();
    Block block;
    std::memcpy(&block, bits, sizeof(block));
    set_scales(&block, sigma, random);
    std::memcpy(out, &block, sizeof(block));
  }
}

}  // namespace siskin
