// The codes of a packed group of 32 columns, by their number of bits: `step` and `part` name 4 columns x 16 rows (see
// weights_int8-inl.h), words(i) is the group's i-th 64 bytes of codes. They hold 4 bytes of every row; byte c belongs to
// columns 4 j + c, and which j depends on the bits:
//   4 bits  64 bytes per step; part 0 in the low nibbles, part 1 in the high ones
//   2 bits  64 bytes per two steps; bits 4 part + 2 (step mod 2) and the next
//   1 bit   64 bytes; bit 4 part + step
// Wider codes are 4 bits and the rest after them. The direction of most shifts hangs on the part alone, a constant everywhere,
// while AVX2 keeps a loop over steps.
#pragma once

#include <cstddef>
#include <cstdint>

namespace {

template <class V, class Words>
[[gnu::always_inline]] inline typename V::I code_of_4(const Words& words, size_t step, size_t part) {
  const typename V::I nibbles = words(step);
  return V::and_bytes(part == 0 ? nibbles : V::shift_right(nibbles, 4), 0x0f);
}

template <class V, class Words>
[[gnu::always_inline]] inline typename V::I code_of_5(const Words& words, size_t step, size_t part) {
  const typename V::I bits = words(4);
  const typename V::I moved = part == 0 ? V::shift_left(bits, 4 - step) : V::shift_right(bits, step);
  return V::bit_or(code_of_4<V>(words, step, part), V::and_bytes(moved, 0x10));
}

template <class V, class Words>
[[gnu::always_inline]] inline typename V::I code_of_6(const Words& words, size_t step, size_t part) {
  const typename V::I bits = words(4 + step / 2);
  const size_t odd = step % 2 * 2;
  const typename V::I moved = part == 0 ? V::shift_left(bits, 4 - odd) : V::shift_right(bits, odd);
  return V::bit_or(code_of_4<V>(words, step, part), V::and_bytes(moved, 0x30));
}

template <class V, class Words>
[[gnu::always_inline]] inline typename V::I code_of_2(const Words& words, size_t step, size_t part) {
  return V::and_bytes(V::shift_right(words(step / 2), part * 4 + step % 2 * 2), 0x03);
}

template <class V, class Words>
[[gnu::always_inline]] inline typename V::I code_of_3(const Words& words, size_t step, size_t part) {
  const typename V::I bits = words(2);
  const size_t bit = part * 4 + step;
  const typename V::I moved = bit < 2 ? V::shift_left(bits, 2 - bit) : V::shift_right(bits, bit - 2);
  return V::bit_or(code_of_2<V>(words, step, part), V::and_bytes(moved, 0x04));
}

// The levels of IQ4_NL and IQ4_XS, plus 128.
template <class V, class Words>
[[gnu::always_inline]] inline typename V::I code_of_iq4(const Words& words, size_t step, size_t part) {
  constexpr uint8_t levels[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};
  return V::lookup(code_of_4<V>(words, step, part), levels);
}

}  // namespace
