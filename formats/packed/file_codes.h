// A file block's codes, one byte per weight in the order of columns, and the way back. The way there is part of every load, so
// it goes eight bytes at a time.
#pragma once

#include <cstring>

#include "formats/blocks/visit.h"

namespace siskin {

inline constexpr uint64_t kEveryByte = 0x0101010101010101u;

inline uint64_t load8(const uint8_t* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}
inline void store8(uint8_t* bytes, uint64_t word) { std::memcpy(bytes, &word, sizeof(word)); }

// Bit i of a byte as byte i: 0 or 1.
inline uint64_t bytes_of_bits(uint8_t bits) {
  const uint64_t one_each = bits * kEveryByte & 0x8040201008040201u;
  return (one_each + kEveryByte * 0x7f) >> 7 & kEveryByte;
}

// Blocks of 16 bytes: byte j holds weight j in the low nibble, weight j + 16 in the high one.
inline void nibbles_to_codes(const uint8_t* q, uint8_t* codes) {
  for (size_t j = 0; j < 16; ++j) {
    codes[j] = q[j] & 15;
    codes[j + 16] = q[j] >> 4;
  }
}
inline void codes_to_nibbles(const uint8_t* codes, uint8_t* q) {
  for (size_t j = 0; j < 16; ++j) q[j] = static_cast<uint8_t>(codes[j] | codes[j + 16] << 4);
}

// Q4_K and Q5_K: 32 bytes hold two groups of 32, one in the low nibbles, one in the high ones.
inline void paired_nibbles_to_codes(const uint8_t* q, uint8_t* codes) {
  for (size_t p = 0; p < 4; ++p) {
    for (size_t l = 0; l < 32; ++l) {
      codes[64 * p + l] = q[32 * p + l] & 15;
      codes[64 * p + 32 + l] = q[32 * p + l] >> 4;
    }
  }
}
inline void codes_to_paired_nibbles(const uint8_t* codes, uint8_t* q) {
  for (size_t p = 0; p < 4; ++p) {
    for (size_t l = 0; l < 32; ++l) {
      q[32 * p + l] = static_cast<uint8_t>((codes[64 * p + l] & 15) | codes[64 * p + 32 + l] << 4);
    }
  }
}

// The inverse of pack_2bit.
inline void unpack_2bit(const uint8_t (&q)[64], uint8_t* levels) {
  for (size_t h = 0; h < 2; ++h) {
    for (size_t l = 0; l < 32; l += 8) {
      const uint64_t planes = load8(q + 32 * h + l);
      uint8_t* at = levels + 128 * h + l;
      store8(at, planes & kEveryByte * 3);
      store8(at + 32, planes >> 2 & kEveryByte * 3);
      store8(at + 64, planes >> 4 & kEveryByte * 3);
      store8(at + 96, planes >> 6 & kEveryByte * 3);
    }
  }
}

// Q3_K and Q5_K: bit j of byte l is the top bit of weight 32 j + l.
inline void add_high_bits(const uint8_t (&high)[32], size_t to_bit, uint8_t* codes) {
  for (size_t l = 0; l < 32; l += 8) {
    const uint64_t bits = load8(high + l);
    for (size_t j = 0; j < 8; ++j) {
      store8(codes + 32 * j + l, load8(codes + 32 * j + l) | (bits >> j & kEveryByte) << to_bit);
    }
  }
}

inline void take_high_bits(const uint8_t* codes, size_t from_bit, uint8_t (&high)[32]) {
  for (size_t l = 0; l < 32; ++l) {
    int bits = 0;
    for (size_t j = 0; j < 8; ++j) bits |= codes[32 * j + l] >> from_bit << j;
    high[l] = static_cast<uint8_t>(bits);
  }
}

template <class Block>
requires(sizeof(Block::q) == 16) inline void block_to_codes(const Block& block, uint8_t* codes) {
  nibbles_to_codes(block.q, codes);
}
template <class Block>
requires(sizeof(Block::q) == 16) inline void codes_to_block(const uint8_t* codes, Block* block) {
  codes_to_nibbles(codes, block->q);
}

inline void block_to_codes(const BlockQ8_0& block, uint8_t* codes) {
  for (size_t k = 0; k < 32; ++k) codes[k] = static_cast<uint8_t>(block.q[k] + 128);
}
inline void codes_to_block(const uint8_t* codes, BlockQ8_0* block) {
  for (size_t k = 0; k < 32; ++k) block->q[k] = static_cast<int8_t>(codes[k] - 128);
}

inline void block_to_codes(const BlockIQ4_XS& block, uint8_t* codes) {
  for (size_t j = 0; j < 8; ++j) nibbles_to_codes(block.q + 16 * j, codes + 32 * j);
}
inline void codes_to_block(const uint8_t* codes, BlockIQ4_XS* block) {
  for (size_t j = 0; j < 8; ++j) codes_to_nibbles(codes + 32 * j, block->q + 16 * j);
}

// Q5_0 and Q5_1.
template <class Block>
requires(sizeof(Block::high) == 4 && sizeof(Block::low) == 16) inline void block_to_codes(const Block& block, uint8_t* codes) {
  nibbles_to_codes(block.low, codes);
  for (size_t i = 0; i < 4; ++i) store8(codes + 8 * i, load8(codes + 8 * i) | bytes_of_bits(block.high[i]) << 4);
}
template <class Block>
requires(sizeof(Block::high) == 4 && sizeof(Block::low) == 16) inline void codes_to_block(const uint8_t* codes, Block* block) {
  uint8_t q[32];
  std::memcpy(q, codes, sizeof(q));
  pack_5bit(q, block->high, block->low);
}

inline void block_to_codes(const BlockQ4_K& block, uint8_t* codes) { paired_nibbles_to_codes(block.q, codes); }
inline void codes_to_block(const uint8_t* codes, BlockQ4_K* block) { codes_to_paired_nibbles(codes, block->q); }

inline void block_to_codes(const BlockQ5_K& block, uint8_t* codes) {
  paired_nibbles_to_codes(block.q, codes);
  add_high_bits(block.high, 4, codes);
}
inline void codes_to_block(const uint8_t* codes, BlockQ5_K* block) {
  codes_to_paired_nibbles(codes, block->q);
  take_high_bits(codes, 4, block->high);
}

inline void block_to_codes(const BlockQ6_K& block, uint8_t* codes) {
  uint8_t upper[kSuperBlock];
  unpack_2bit(block.high, upper);
  for (size_t h = 0; h < 2; ++h) {
    for (size_t b = 0; b < 64; b += 8) {
      const size_t k = 128 * h + b;
      const uint64_t low = load8(block.low + 64 * h + b);
      store8(codes + k, (low & kEveryByte * 15) | load8(upper + k) << 4);
      store8(codes + k + 64, (low >> 4 & kEveryByte * 15) | load8(upper + k + 64) << 4);
    }
  }
}
inline void codes_to_block(const uint8_t* codes, BlockQ6_K* block) {
  uint8_t upper[kSuperBlock];
  for (size_t k = 0; k < kSuperBlock; ++k) upper[k] = codes[k] >> 4;
  pack_2bit(upper, block->high);
  for (size_t h = 0; h < 2; ++h) {
    for (size_t b = 0; b < 64; ++b) {
      const size_t k = 128 * h + b;
      block->low[64 * h + b] = static_cast<uint8_t>((codes[k] & 15) | codes[k + 64] << 4);
    }
  }
}

inline void block_to_codes(const BlockQ3_K& block, uint8_t* codes) {
  unpack_2bit(block.q, codes);
  add_high_bits(block.high, 2, codes);
}
inline void codes_to_block(const uint8_t* codes, BlockQ3_K* block) {
  pack_2bit(codes, block->q);
  take_high_bits(codes, 2, block->high);
}

inline void block_to_codes(const BlockQ2_K& block, uint8_t* codes) { unpack_2bit(block.q, codes); }
inline void codes_to_block(const uint8_t* codes, BlockQ2_K* block) { pack_2bit(codes, block->q); }

}  // namespace siskin
