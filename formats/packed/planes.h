// The codes of one row's group of 32 columns, as packed strips hold them: per row a few words of 4 bytes, whose byte c belongs
// to columns c, c + 4, ... c + 28; word w of 16 rows fills 64 bytes of a strip. By the number of bits:
//   8  word w: column 4 w + c
//   4  word w: column 4 w + c in the low nibble, column 16 + 4 w + c in the high one
//   2  word w: bits 4 h + 2 s and the next, of column 16 h + 8 w + 4 s + c
//   1  bit j of the word: column 4 j + c
// 3, 5 and 6 bits are the lower 2 or 4 and then the rest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace siskin {

template <size_t kBits>
inline constexpr size_t kPlaneBytes = 4 * kBits;  // per row and group

inline uint32_t load_word(const uint8_t* bytes) {
  uint32_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}
inline void store_word(uint8_t* bytes, uint32_t word) { std::memcpy(bytes, &word, sizeof(word)); }

template <size_t kBits>
inline void write_planes(const uint8_t* codes, uint8_t* out) {
  if constexpr (kBits == 8) {
    std::memcpy(out, codes, 32);
  } else if constexpr (kBits == 4) {
    for (size_t i = 0; i < 16; ++i) out[i] = static_cast<uint8_t>((codes[i] & 15) | codes[16 + i] << 4);
  } else if constexpr (kBits == 2) {
    const auto field = [codes](size_t word) { return load_word(codes + 4 * word) & 0x03030303u; };
    for (size_t w = 0; w < 2; ++w) {
      store_word(out + 4 * w, field(2 * w) | field(2 * w + 1) << 2 | field(4 + 2 * w) << 4 | field(5 + 2 * w) << 6);
    }
  } else if constexpr (kBits == 1) {
    uint32_t bits = 0;
    for (size_t j = 0; j < 8; ++j) bits |= (load_word(codes + 4 * j) & 0x01010101u) << j;
    store_word(out, bits);
  } else {
    constexpr size_t kLow = kBits > 4 ? 4 : 2;
    uint8_t rest[32];
    for (size_t k = 0; k < 32; ++k) rest[k] = static_cast<uint8_t>(codes[k] >> kLow);
    write_planes<kLow>(codes, out);
    write_planes<kBits - kLow>(rest, out + kPlaneBytes<kLow>);
  }
}

template <size_t kBits>
inline void read_planes(const uint8_t* in, uint8_t* codes) {
  if constexpr (kBits == 8) {
    std::memcpy(codes, in, 32);
  } else if constexpr (kBits == 4) {
    for (size_t i = 0; i < 16; ++i) {
      codes[i] = in[i] & 15;
      codes[16 + i] = in[i] >> 4;
    }
  } else if constexpr (kBits == 2) {
    for (size_t k = 0; k < 32; ++k) codes[k] = in[k % 16 / 8 * 4 + k % 4] >> (k / 16 * 4 + k / 4 % 2 * 2) & 3;
  } else if constexpr (kBits == 1) {
    for (size_t k = 0; k < 32; ++k) codes[k] = in[k % 4] >> k / 4 & 1;
  } else {
    constexpr size_t kLow = kBits > 4 ? 4 : 2;
    uint8_t rest[32];
    read_planes<kLow>(in, codes);
    read_planes<kBits - kLow>(in + kPlaneBytes<kLow>, rest);
    for (size_t k = 0; k < 32; ++k) codes[k] = static_cast<uint8_t>(codes[k] | rest[k] << kLow);
  }
}

}  // namespace siskin
