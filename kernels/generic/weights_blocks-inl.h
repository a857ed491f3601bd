// Policies of the types whose packed block holds one group of 32 columns (weights_int8-inl.h says what a policy gives).
#pragma once

#include "kernels/generic/weights_codes-inl.h"
#include "kernels/generic/weights_int8-inl.h"

namespace {

// The scale of every row opens the block, as a half.
template <class Type, int kOffsetOfType, int kMostCodeOfType, size_t kHeader, size_t kCodeBytes>
struct ScaledBlock : WeightCodes<Type> {
  static constexpr size_t kColumns = 32;
  static constexpr size_t kHeaderBytes = kHeader;
  static constexpr size_t kBlockBytes = kHeader + kCodeBytes;
  static constexpr int kOffset = kOffsetOfType;
  static constexpr int kMostCode = kMostCodeOfType;
  static constexpr size_t kScales = 1;
  static constexpr bool kMins = false;

  template <class V>
  [[gnu::always_inline]] static typename V::F scale(const std::byte* block, size_t, size_t) {
    return V::load_f16(block);
  }
};

// Minima follow the scales, negated beforehand: these types add theirs.
template <class Type, int kMostCodeOfType, size_t kCodeBytes>
struct ScaledBlockWithMins : ScaledBlock<Type, 0, kMostCodeOfType, 2 * kScaleBytes, kCodeBytes> {
  static constexpr bool kMins = true;

  template <class V>
  [[gnu::always_inline]] static typename V::F min(const std::byte* block, size_t, size_t) {
    return V::load_f16(block + kScaleBytes);
  }
};

struct WeightsQ8_0 : ScaledBlock<WeightsQ8_0, 128, 255, kScaleBytes, 8 * 64> {
  template <class V>
  [[gnu::always_inline]] static typename V::I code(const std::byte* block, size_t, size_t step, size_t part) {
    return V::load_codes(block + kHeaderBytes + (part * 4 + step) * 64);
  }
};

struct WeightsQ4_0 : ScaledBlock<WeightsQ4_0, 8, 15, kScaleBytes, kCodeBytes4> {
  template <class V>
  [[gnu::always_inline]] static typename V::I code(const std::byte* block, size_t, size_t step, size_t part) {
    return code_of_4<V>(block + kHeaderBytes, step, part);
  }
};

struct WeightsQ4_1 : ScaledBlockWithMins<WeightsQ4_1, 15, kCodeBytes4> {
  template <class V>
  [[gnu::always_inline]] static typename V::I code(const std::byte* block, size_t, size_t step, size_t part) {
    return code_of_4<V>(block + kHeaderBytes, step, part);
  }
};

struct WeightsQ5_0 : ScaledBlock<WeightsQ5_0, 16, 31, kScaleBytes, kCodeBytes5> {
  template <class V>
  [[gnu::always_inline]] static typename V::I code(const std::byte* block, size_t, size_t step, size_t part) {
    return code_of_5<V>(block + kHeaderBytes, step, part);
  }
};

struct WeightsQ5_1 : ScaledBlockWithMins<WeightsQ5_1, 31, kCodeBytes5> {
  template <class V>
  [[gnu::always_inline]] static typename V::I code(const std::byte* block, size_t, size_t step, size_t part) {
    return code_of_5<V>(block + kHeaderBytes, step, part);
  }
};

struct WeightsIQ4_NL : ScaledBlock<WeightsIQ4_NL, 128, 241, kScaleBytes, kCodeBytes4> {
  template <class V>
  [[gnu::always_inline]] static typename V::I code(const std::byte* block, size_t, size_t step, size_t part) {
    return code_of_iq4<V>(block + kHeaderBytes, step, part);
  }
};

// Scales are powers of two, a byte per row; levels come doubled, so that they are whole.
struct WeightsMXFP4 : ScaledBlock<WeightsMXFP4, 12, 24, kStripRows, kCodeBytes4> {
  template <class V>
  [[gnu::always_inline]] static typename V::I code(const std::byte* block, size_t, size_t step, size_t part) {
    constexpr uint8_t levels[16] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};
    return V::lookup(code_of_4<V>(block + kHeaderBytes, step, part), levels);
  }
  template <class V>
  [[gnu::always_inline]] static typename V::F scale(const std::byte* block, size_t, size_t) {
    return V::half_powers(block);
  }
};

// The block is codes alone.
struct WeightsW8A8 : WeightCodes<WeightsW8A8> {
  static constexpr bool kRowScale = true;
  static constexpr size_t kColumns = 32;
  static constexpr size_t kBlockBytes = 8 * 64;
  static constexpr int kOffset = 128;
  static constexpr int kMostCode = 255;
  static constexpr size_t kScales = 1;
  static constexpr bool kMins = false;

  template <class V>
  [[gnu::always_inline]] static typename V::I code(const std::byte* block, size_t, size_t step, size_t part) {
    return V::load_codes(block + (part * 4 + step) * 64);
  }
};

}  // namespace
