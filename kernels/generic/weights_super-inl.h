// Policies of the types whose packed block holds 256 columns, 8 groups of 32 (weights_int8-inl.h says what a policy gives).
// Halves open the block (d, and dmin if there are minima), then come the small scales of all groups, then the codes.
#pragma once

#include "kernels/generic/weights_codes-inl.h"
#include "kernels/generic/weights_int8-inl.h"

namespace {

// A byte of each of 16 rows; vectors of the compiler's own kind are the same text on every instruction set.
using Bytes16 = uint8_t __attribute__((vector_size(16)));
using Shorts8 = uint16_t __attribute__((vector_size(16)));

inline Bytes16 load_bytes16(const std::byte* p) {
  Bytes16 bytes;
  __builtin_memcpy(&bytes, p, sizeof(bytes));
  return bytes;
}
// Bits move across bytes, so that a mask must follow.
inline Bytes16 bytes_shifted_right(Bytes16 bytes, size_t n) {
  return reinterpret_cast<Bytes16>(reinterpret_cast<Shorts8>(bytes) >> static_cast<uint16_t>(n));
}
inline Bytes16 bytes_shifted_left(Bytes16 bytes, size_t n) {
  return reinterpret_cast<Bytes16>(reinterpret_cast<Shorts8>(bytes) << static_cast<uint16_t>(n));
}

// Two 6-bit numbers per group and row in 192 bytes: the low nibbles of both in byte 16 group + r; above them two bits each, of
// two groups in byte 128 + 16 (group / 2) + r.
constexpr size_t kPairBytes = 8 * 16 + 4 * 16;

[[gnu::always_inline]] inline Bytes16 number_of_pair(const std::byte* p, size_t group, size_t which) {
  const Bytes16 low = load_bytes16(p + group * 16);
  const Bytes16 high = bytes_shifted_right(load_bytes16(p + 128 + group / 2 * 16), group % 2 * 4);
  if (which == 0) return (low & 0x0f) | (bytes_shifted_left(high, 4) & 0x30);
  return (bytes_shifted_right(low, 4) & 0x0f) | (bytes_shifted_left(high, 2) & 0x30);
}

template <class Type, int kOffsetOfType, int kMostCodeOfType, size_t kScalesOfType, size_t kHeader, size_t kWordsOfType>
struct SuperBlock : WeightCodes<Type> {
  static constexpr size_t kColumns = 256;
  static constexpr size_t kBlockBytes = kHeader + 8 * 64 * kWordsOfType;
  static constexpr int kOffset = kOffsetOfType;
  static constexpr int kMostCode = kMostCodeOfType;
  static constexpr size_t kScales = kScalesOfType;
  static constexpr bool kMins = false;

  static constexpr size_t kWords = kWordsOfType;
  static const std::byte* words(const std::byte* block, size_t group) { return block + kHeader + group * kWords * 64; }
  // Type says what the halves that open the block are multiplied by.
  template <class V>
  [[gnu::always_inline]] static typename V::F scale(const std::byte* block, size_t group, size_t half) {
    return V::mul(V::load_f16(block), V::widen(Type::scale_factor(block, group, half)));
  }
  template <class V>
  [[gnu::always_inline]] static typename V::F min(const std::byte* block, size_t group, size_t half) {
    return V::mul(V::load_f16(block + kScaleBytes), V::widen(Type::min_factor(block, group, half)));
  }
};

// Q4_K and Q5_K: a pair is the scale's and the minimum's factor of a group.
template <class Type, int kMostCodeOfType, size_t kWordsOfType>
struct AffineSuperBlock : SuperBlock<Type, 0, kMostCodeOfType, 1, 2 * kScaleBytes + kPairBytes, kWordsOfType> {
  static constexpr bool kMins = true;

  [[gnu::always_inline]] static Bytes16 scale_factor(const std::byte* block, size_t group, size_t) {
    return number_of_pair(block + 2 * kScaleBytes, group, 0);
  }
  [[gnu::always_inline]] static Bytes16 min_factor(const std::byte* block, size_t group, size_t) {
    return number_of_pair(block + 2 * kScaleBytes, group, 1);
  }
};

struct WeightsQ4_K : AffineSuperBlock<WeightsQ4_K, 15, 4> {
  template <class V, class Words>
  [[gnu::always_inline]] static typename V::I pick(const Words& words, size_t step, size_t part) {
    return code_of_4<V>(words, step, part);
  }
};

struct WeightsQ5_K : AffineSuperBlock<WeightsQ5_K, 31, 5> {
  template <class V, class Words>
  [[gnu::always_inline]] static typename V::I pick(const Words& words, size_t step, size_t part) {
    return code_of_5<V>(words, step, part);
  }
};

// A signed byte per 16 columns and row.
struct WeightsQ6_K : SuperBlock<WeightsQ6_K, 32, 63, 2, kScaleBytes + 16 * 16, 6> {
  template <class V, class Words>
  [[gnu::always_inline]] static typename V::I pick(const Words& words, size_t step, size_t part) {
    return code_of_6<V>(words, step, part);
  }
  [[gnu::always_inline]] static Bytes16 scale_factor(const std::byte* block, size_t group, size_t half) {
    return load_bytes16(block + kScaleBytes + (group * 2 + half) * 16);
  }
};

// A pair is the factors of a group's two scales, plus 32.
struct WeightsQ3_K : SuperBlock<WeightsQ3_K, 4, 7, 2, kScaleBytes + kPairBytes, 3> {
  template <class V, class Words>
  [[gnu::always_inline]] static typename V::I pick(const Words& words, size_t step, size_t part) {
    return code_of_3<V>(words, step, part);
  }
  [[gnu::always_inline]] static Bytes16 scale_factor(const std::byte* block, size_t group, size_t half) {
    return number_of_pair(block + kScaleBytes, group, half) - 32;
  }
};

// A byte per 16 columns and row: the scale's factor in the low nibble, the minimum's in the high one.
struct WeightsQ2_K : SuperBlock<WeightsQ2_K, 0, 3, 2, 2 * kScaleBytes + 16 * 16, 2> {
  static constexpr bool kMins = true;

  template <class V, class Words>
  [[gnu::always_inline]] static typename V::I pick(const Words& words, size_t step, size_t part) {
    return code_of_2<V>(words, step, part);
  }
  [[gnu::always_inline]] static Bytes16 scale_factor(const std::byte* block, size_t group, size_t half) {
    return factors(block, group, half) & 0x0f;
  }
  [[gnu::always_inline]] static Bytes16 min_factor(const std::byte* block, size_t group, size_t half) {
    return bytes_shifted_right(factors(block, group, half), 4) & 0x0f;
  }
  [[gnu::always_inline]] static Bytes16 factors(const std::byte* block, size_t group, size_t half) {
    return load_bytes16(block + 2 * kScaleBytes + (group * 2 + half) * 16);
  }
};

// 6-bit factors, plus 32: low nibbles of two groups in byte 16 (group / 2) + r, then two bits of four groups in byte
// 64 + 16 (group / 4) + r.
struct WeightsIQ4_XS : SuperBlock<WeightsIQ4_XS, 128, 241, 1, kScaleBytes + 6 * 16, 4> {
  template <class V, class Words>
  [[gnu::always_inline]] static typename V::I pick(const Words& words, size_t step, size_t part) {
    return code_of_iq4<V>(words, step, part);
  }
  [[gnu::always_inline]] static Bytes16 scale_factor(const std::byte* block, size_t group, size_t) {
    const std::byte* p = block + kScaleBytes;
    const Bytes16 low = bytes_shifted_right(load_bytes16(p + group / 2 * 16), group % 2 * 4) & 0x0f;
    const Bytes16 high = bytes_shifted_right(load_bytes16(p + 64 + group / 4 * 16), group % 4 * 2) & 0x03;
    return (low | bytes_shifted_left(high, 4)) - 32;
  }
};

}  // namespace
