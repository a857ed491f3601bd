// Policies of the types whose packed block holds one group of 32 columns (weights_int8-inl.h says what a policy gives).
#pragma once

#include "kernels/generic/weights_codes-inl.h"
#include "kernels/generic/weights_int8-inl.h"

namespace {

// The scale of every row opens the block, as a half.
template <class Type, int kOffsetOfType, int kMostCodeOfType, size_t kHeader, size_t kWordsOfType>
struct ScaledBlock : WeightCodes<Type> {
  static constexpr size_t kColumns = 32;
  static constexpr size_t kWords = kWordsOfType;
  static constexpr size_t kBlockBytes = kHeader + kWords * 64;
  static constexpr int kOffset = kOffsetOfType;
  static constexpr int kMostCode = kMostCodeOfType;
  static constexpr size_t kScales = 1;
  static constexpr bool kMins = false;
  static const std::byte* words(const std::byte* block, size_t) { return block + kHeader; }

  template <class V>
  [[gnu::always_inline]] static typename V::F scale(const std::byte* block, size_t, size_t) {
    return V::load_f16(block);
  }
};

// Minima follow the scales, negated beforehand: these types add theirs.
template <class Type, int kMostCodeOfType, size_t kWordsOfType>
struct ScaledBlockWithMins : ScaledBlock<Type, 0, kMostCodeOfType, 2 * kScaleBytes, kWordsOfType> {
  static constexpr bool kMins = true;

  template <class V>
  [[gnu::always_inline]] static typename V::F min(const std::byte* block, size_t, size_t) {
    return V::load_f16(block + kScaleBytes);
  }
};

struct WeightsQ8_0 : ScaledBlock<WeightsQ8_0, 128, 255, kScaleBytes, 8> {
  template <class V, class Words>
  [[gnu::always_inline]] static typename V::I pick(const Words& words, size_t step, size_t part) {
    return words(part * 4 + step);
  }
};

struct WeightsQ4_0 : ScaledBlock<WeightsQ4_0, 8, 15, kScaleBytes, 4> {
  template <class V, class Words>
  [[gnu::always_inline]] static typename V::I pick(const Words& words, size_t step, size_t part) {
    return code_of_4<V>(words, step, part);
  }
};

struct WeightsQ4_1 : ScaledBlockWithMins<WeightsQ4_1, 15, 4> {
  template <class V, class Words>
  [[gnu::always_inline]] static typename V::I pick(const Words& words, size_t step, size_t part) {
    return code_of_4<V>(words, step, part);
  }
};

struct WeightsQ5_0 : ScaledBlock<WeightsQ5_0, 16, 31, kScaleBytes, 5> {
  template <class V, class Words>
  [[gnu::always_inline]] static typename V::I pick(const Words& words, size_t step, size_t part) {
    return code_of_5<V>(words, step, part);
  }
};

struct WeightsQ5_1 : ScaledBlockWithMins<WeightsQ5_1, 31, 5> {
  template <class V, class Words>
  [[gnu::always_inline]] static typename V::I pick(const Words& words, size_t step, size_t part) {
    return code_of_5<V>(words, step, part);
  }
};

struct WeightsIQ4_NL : ScaledBlock<WeightsIQ4_NL, 128, 241, kScaleBytes, 4> {
  template <class V, class Words>
  [[gnu::always_inline]] static typename V::I pick(const Words& words, size_t step, size_t part) {
    return code_of_iq4<V>(words, step, part);
  }
};

// Scales are powers of two, a byte per row; levels come doubled, so that they are whole.
struct WeightsMXFP4 : ScaledBlock<WeightsMXFP4, 12, 24, kStripRows, 4> {
  template <class V, class Words>
  [[gnu::always_inline]] static typename V::I pick(const Words& words, size_t step, size_t part) {
    constexpr uint8_t levels[16] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};
    return V::lookup(code_of_4<V>(words, step, part), levels);
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
  static constexpr size_t kWords = 8;
  static constexpr size_t kBlockBytes = kWords * 64;
  static constexpr int kOffset = 128;
  static constexpr int kMostCode = 255;
  static constexpr size_t kScales = 1;
  static constexpr bool kMins = false;
  static const std::byte* words(const std::byte* block, size_t) { return block; }

  template <class V, class Words>
  [[gnu::always_inline]] static typename V::I pick(const Words& words, size_t step, size_t part) {
    return words(part * 4 + step);
  }
};

}  // namespace
