// What opens a packed block: the scales and minima of 16 rows, type by type. put() writes one row's part, get() reads it back
// into a file block, factors() says what they mean: weight k of a block is scale[k / 16] * level - minimum[k / 16].
// `packed` is where the block begins.
#pragma once

#include <cstring>

#include "formats/blocks/visit.h"
#include "formats/packed/layout.h"

namespace siskin {

inline constexpr size_t kHalvesBytes = kStripRows * sizeof(uint16_t);

inline void put_half(std::byte* halves, size_t row, uint16_t half) { std::memcpy(halves + row * 2, &half, 2); }
inline uint16_t get_half(const std::byte* halves, size_t row) {
  uint16_t half;
  std::memcpy(&half, halves + row * 2, 2);
  return half;
}

// Byte `row` of piece `index` of 16.
inline uint8_t byte_at(const std::byte* bytes, size_t index, size_t row) {
  return std::to_integer<uint8_t>(bytes[index * kStripRows + row]);
}
inline void put_byte(std::byte* bytes, size_t index, size_t row, int value) {
  bytes[index * kStripRows + row] = static_cast<std::byte>(value);
}

// Two 6-bit numbers per group and row: the low nibbles of both in piece `group`, the two bits above them in piece 8 + group
// / 2.
inline constexpr size_t kPairsBytes = 12 * kStripRows;
inline void put_pairs(std::byte* pairs, size_t row, const uint8_t (&numbers)[8][2]) {
  for (size_t g = 0; g < 8; ++g) put_byte(pairs, g, row, (numbers[g][0] & 15) | (numbers[g][1] & 15) << 4);
  for (size_t g = 0; g < 8; g += 2) {
    put_byte(pairs, 8 + g / 2, row,
             numbers[g][0] >> 4 | numbers[g][1] >> 4 << 2 | numbers[g + 1][0] >> 4 << 4 | numbers[g + 1][1] >> 4 << 6);
  }
}
inline void get_pairs(const std::byte* pairs, size_t row, uint8_t (&numbers)[8][2]) {
  for (size_t g = 0; g < 8; ++g) {
    const int low = byte_at(pairs, g, row), high = byte_at(pairs, 8 + g / 2, row) >> g % 2 * 4;
    numbers[g][0] = static_cast<uint8_t>((low & 15) | (high & 3) << 4);
    numbers[g][1] = static_cast<uint8_t>(low >> 4 | (high >> 2 & 3) << 4);
  }
}

// Q8_0, Q4_0, Q5_0, IQ4_NL.
struct ScaleHeader {
  static constexpr size_t kBytes = kHalvesBytes;
  static constexpr size_t kScales = 1;
  template <class Block>
  static void put(const Block& block, size_t row, std::byte* packed) {
    put_half(packed, row, block.scale);
  }
  template <class Block>
  static void get(const std::byte* packed, size_t row, Block* block) {
    block->scale = get_half(packed, row);
  }
  template <class Block>
  static void factors(const Block& block, float* scale, float*) {
    scale[0] = scale[1] = f32_from_f16(block.scale);
  }
};

// Q4_1, Q5_1: the minimum is added, so its sign is turned.
struct ScaleMinimumHeader {
  static constexpr size_t kBytes = 2 * kHalvesBytes;
  static constexpr size_t kScales = 1;
  static constexpr uint16_t kSign = 0x8000;
  template <class Block>
  static void put(const Block& block, size_t row, std::byte* packed) {
    put_half(packed, row, block.scale);
    put_half(packed + kHalvesBytes, row, block.minimum ^ kSign);
  }
  template <class Block>
  static void get(const std::byte* packed, size_t row, Block* block) {
    block->scale = get_half(packed, row);
    block->minimum = get_half(packed + kHalvesBytes, row) ^ kSign;
  }
  template <class Block>
  static void factors(const Block& block, float* scale, float* minimum) {
    scale[0] = scale[1] = f32_from_f16(block.scale);
    minimum[0] = minimum[1] = -f32_from_f16(block.minimum);
  }
};

struct ExponentHeader {  // MXFP4
  static constexpr size_t kBytes = kStripRows;
  static constexpr size_t kScales = 1;
  static void put(const BlockMXFP4& block, size_t row, std::byte* packed) { put_byte(packed, 0, row, block.exponent); }
  static void get(const std::byte* packed, size_t row, BlockMXFP4* block) { block->exponent = byte_at(packed, 0, row); }
  static void factors(const BlockMXFP4& block, float* scale, float*) { scale[0] = scale[1] = mxfp4_half_scale(block.exponent); }
};

struct AffineHeader {  // Q4_K, Q5_K: d, dmin, and a pair of scale and minimum per group
  static constexpr size_t kBytes = 2 * kHalvesBytes + kPairsBytes;
  static constexpr size_t kScales = 1;
  template <class Block>
  static void put(const Block& block, size_t row, std::byte* packed) {
    put_half(packed, row, block.scale);
    put_half(packed + kHalvesBytes, row, block.minimum);
    uint8_t pairs[8][2];
    for (size_t g = 0; g < 8; ++g) pairs[g][0] = block.scales.scale(g), pairs[g][1] = block.scales.minimum(g);
    put_pairs(packed + 2 * kHalvesBytes, row, pairs);
  }
  template <class Block>
  static void get(const std::byte* packed, size_t row, Block* block) {
    block->scale = get_half(packed, row);
    block->minimum = get_half(packed + kHalvesBytes, row);
    uint8_t pairs[8][2];
    get_pairs(packed + 2 * kHalvesBytes, row, pairs);
    for (size_t g = 0; g < 8; ++g) block->scales.set(g, pairs[g][0], pairs[g][1]);
  }
  template <class Block>
  static void factors(const Block& block, float* scale, float* minimum) {
    for (size_t j = 0; j < 16; ++j) {
      scale[j] = f32_from_f16(block.scale) * static_cast<float>(block.scales.scale(j / 2));
      minimum[j] = f32_from_f16(block.minimum) * static_cast<float>(block.scales.minimum(j / 2));
    }
  }
};

struct Q6Header {  // d, and a signed byte per 16 columns
  static constexpr size_t kBytes = kHalvesBytes + 16 * kStripRows;
  static constexpr size_t kScales = 2;
  static void put(const BlockQ6_K& block, size_t row, std::byte* packed) {
    put_half(packed, row, block.scale);
    for (size_t j = 0; j < 16; ++j) put_byte(packed + kHalvesBytes, j, row, static_cast<uint8_t>(block.scales[j]));
  }
  static void get(const std::byte* packed, size_t row, BlockQ6_K* block) {
    block->scale = get_half(packed, row);
    for (size_t j = 0; j < 16; ++j) block->scales[j] = static_cast<int8_t>(byte_at(packed + kHalvesBytes, j, row));
  }
  static void factors(const BlockQ6_K& block, float* scale, float*) {
    for (size_t j = 0; j < 16; ++j) scale[j] = f32_from_f16(block.scale) * static_cast<float>(block.scales[j]);
  }
};

struct Q3Header {  // d, and a pair of scales + 32 per group
  static constexpr size_t kBytes = kHalvesBytes + kPairsBytes;
  static constexpr size_t kScales = 2;
  static void put(const BlockQ3_K& block, size_t row, std::byte* packed) {
    put_half(packed, row, block.scale);
    uint8_t pairs[8][2];
    for (int j = 0; j < 16; ++j) pairs[j / 2][j % 2] = static_cast<uint8_t>(group_scale(block, j) + 32);
    put_pairs(packed + kHalvesBytes, row, pairs);
  }
  static void get(const std::byte* packed, size_t row, BlockQ3_K* block) {
    block->scale = get_half(packed, row);
    uint8_t pairs[8][2];
    get_pairs(packed + kHalvesBytes, row, pairs);
    for (uint8_t& byte : block->scales) byte = 0;
    for (size_t j = 0; j < 16; ++j) set_group_scale(block, j, pairs[j / 2][j % 2]);
  }
  static void factors(const BlockQ3_K& block, float* scale, float*) {
    for (int j = 0; j < 16; ++j) scale[j] = f32_from_f16(block.scale) * static_cast<float>(group_scale(block, j));
  }
};

struct Q2Header {  // d, dmin, and a byte per 16 columns as in the file
  static constexpr size_t kBytes = 2 * kHalvesBytes + 16 * kStripRows;
  static constexpr size_t kScales = 2;
  static void put(const BlockQ2_K& block, size_t row, std::byte* packed) {
    put_half(packed, row, block.scale);
    put_half(packed + kHalvesBytes, row, block.minimum);
    for (size_t j = 0; j < 16; ++j) put_byte(packed + 2 * kHalvesBytes, j, row, block.scales[j]);
  }
  static void get(const std::byte* packed, size_t row, BlockQ2_K* block) {
    block->scale = get_half(packed, row);
    block->minimum = get_half(packed + kHalvesBytes, row);
    for (size_t j = 0; j < 16; ++j) block->scales[j] = byte_at(packed + 2 * kHalvesBytes, j, row);
  }
  static void factors(const BlockQ2_K& block, float* scale, float* minimum) {
    for (size_t j = 0; j < 16; ++j) {
      scale[j] = f32_from_f16(block.scale) * static_cast<float>(block.scales[j] & 15);
      minimum[j] = f32_from_f16(block.minimum) * static_cast<float>(block.scales[j] >> 4);
    }
  }
};

struct IQ4XSHeader {  // d, and 6 bits per group: nibbles of two groups in a piece, then two bits of four groups in one
  static constexpr size_t kBytes = kHalvesBytes + 6 * kStripRows;
  static constexpr size_t kScales = 1;
  static int stored(const BlockIQ4_XS& block, size_t g) {
    return (block.scales_low[g / 2] >> 4 * (g % 2) & 15) | (block.scales_high >> 2 * g & 3) << 4;
  }
  static void put(const BlockIQ4_XS& block, size_t row, std::byte* packed) {
    put_half(packed, row, block.scale);
    for (size_t p = 0; p < 4; ++p) put_byte(packed + kHalvesBytes, p, row, block.scales_low[p]);
    put_byte(packed + kHalvesBytes, 4, row, block.scales_high & 255);
    put_byte(packed + kHalvesBytes, 5, row, block.scales_high >> 8);
  }
  static void get(const std::byte* packed, size_t row, BlockIQ4_XS* block) {
    block->scale = get_half(packed, row);
    for (size_t p = 0; p < 4; ++p) block->scales_low[p] = byte_at(packed + kHalvesBytes, p, row);
    block->scales_high =
        static_cast<uint16_t>(byte_at(packed + kHalvesBytes, 4, row) | byte_at(packed + kHalvesBytes, 5, row) << 8);
  }
  static void factors(const BlockIQ4_XS& block, float* scale, float*) {
    for (size_t j = 0; j < 16; ++j) scale[j] = f32_from_f16(block.scale) * static_cast<float>(stored(block, j / 2) - 32);
  }
};

}  // namespace siskin
