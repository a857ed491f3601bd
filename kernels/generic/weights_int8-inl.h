// Packed weights of the types that are multiplied by int8 activations, as a matmul reads them: a policy per type.
//
// A packed block holds 16 rows x kColumns weights, in groups of 32 columns; weight = scale * (code - kOffset) - min, where a
// group of a row has one scale (kScales == 1), or one for each half of its columns (2), and mins go with scales where kMins
// says that there are any. For one group,
//   code(block, group, step, part)  the codes of the 4 columns from part * 16 + step * 4 on: unsigned bytes, row after row
//   codes(block, group, w)          all eight of them, w[part * 4 + step]
//   scale, min (block, group, half) of the 16 rows
// A type with kRowScale has no scales in its blocks: one per row, an f32, opens each strip, and weight = scale * (code -
// kOffset). V is the instruction set's strip vector; what it gives is said in avx512/strip-inl.h. Byte layouts:
// formats/FORMATS.md.
#pragma once

#include <cstddef>
#include <cstdint>

#include "formats/packed/layout.h"
#include "kernels/generic/unroll-inl.h"

namespace {

using siskin::kQuantBlock;
using siskin::kStripRows;

constexpr size_t kScaleBytes = 32;     // 16 halves
constexpr size_t kRowScaleBytes = 64;  // 16 floats

// What every policy gives: Type says where a group's codes lie (words), in how many pieces of 64 bytes (kWords), and what they
// are made of (pick, of the words that its first argument gives).
template <class Type>
struct WeightCodes {
  static constexpr bool kRowScale = false;

  template <class V>
  [[gnu::always_inline]] static typename V::I code(const std::byte* block, size_t group, size_t step, size_t part) {
    const std::byte* words = Type::words(block, group);
    return Type::template pick<V>([words](size_t i) { return V::load_codes(words + i * 64); }, step, part);
  }
  // Each word that holds several pieces is loaded once: a core loads one vector of 64 bytes per cycle, and would be asked for two.
  template <class V>
  [[gnu::always_inline]] static void codes(const std::byte* block, size_t group, typename V::I (&w)[8]) {
    const std::byte* at = Type::words(block, group);
    typename V::I words[Type::kWords];
    SISKIN_UNROLL
    for (size_t i = 0; i < Type::kWords; ++i) {
      words[i] = Type::kWords < 8 ? V::load_once(at + i * 64) : V::load_codes(at + i * 64);
    }
    SISKIN_UNROLL
    for (size_t j = 0; j < 8; ++j) {
      w[j] = Type::template pick<V>([&words](size_t i) { return words[i]; }, j % 4, j / 4);
    }
  }
};

// The bytes of a strip before its first block.
template <class W>
constexpr size_t kStripHead = W::kRowScale ? kRowScaleBytes : 0;

}  // namespace
