// NEON's strip vector with i8mm: two activation rows at a time go through smmla, which multiplies 2 x 8 by 8 x 2.
#pragma once

#include "kernels/neon/strip_widening-inl.h"

namespace {

struct StripNeonI8mm : StripNeon {
  template <class W, class Rows, size_t kRows>
  [[gnu::always_inline]] static inline void dot(const std::byte* block, size_t group, const Rows& x, size_t b,
                                                I (&dots)[W::kScales][kRows]) {
    if constexpr (kRows > 1) dot_pairs<W>(block, group, x, b, dots);
    if constexpr (kRows % 2 == 1) {
      I last[W::kScales][1];
      StripNeon::dot<W>(block, group, OneRow<Rows, kRows - 1>{x}, b, last);
      SISKIN_UNROLL
      for (size_t half = 0; half < W::kScales; ++half) dots[half][kRows - 1] = last[half][0];
    }
  }

  // Row kRow of a tile as the only row of another.
  template <class Rows, size_t kRow>
  struct OneRow {
    const Rows& rows;
    const int8_t* q(size_t, size_t b) const { return rows.q(kRow, b); }
  };

  template <class W, class Rows, size_t kRows>
  [[gnu::always_inline]] static inline void dot_pairs(const std::byte* block, size_t group, const Rows& x, size_t b,
                                                      I (&dots)[W::kScales][kRows]) {
    constexpr size_t pieces = 8 / W::kScales, pairs = kRows / 2;
    SISKIN_UNROLL
    for (size_t p = 0; p < 4; ++p) {
      SISKIN_UNROLL
      for (size_t half = 0; half < W::kScales; ++half) {
        int32x4_t first[pairs], second[pairs];  // weight rows 4p, 4p+1 and 4p+2, 4p+3, each by two activation rows
        SISKIN_UNROLL
        for (size_t r = 0; r < pairs; ++r) first[r] = second[r] = vdupq_n_s32(0);
        SISKIN_UNROLL
        for (size_t j = half * pieces; j < (half + 1) * pieces; j += 2) {  // a row's two pieces of 4 columns side by side
          const int32x4_t left = vreinterpretq_s32_s8(StripNeonWidening::signed_codes<W>(block, group, j, p));
          const int32x4_t right = vreinterpretq_s32_s8(StripNeonWidening::signed_codes<W>(block, group, j + 1, p));
          const int8x16_t rows01 = vreinterpretq_s8_s32(vzip1q_s32(left, right));
          const int8x16_t rows23 = vreinterpretq_s8_s32(vzip2q_s32(left, right));
          SISKIN_UNROLL
          for (size_t r = 0; r < pairs; ++r) {
            const int8x16_t values = vcombine_s8(vld1_s8(x.q(2 * r, b) + j * 4), vld1_s8(x.q(2 * r + 1, b) + j * 4));
            first[r] = vmmlaq_s32(first[r], rows01, values);
            second[r] = vmmlaq_s32(second[r], rows23, values);
          }
        }
        SISKIN_UNROLL
        for (size_t r = 0; r < pairs; ++r) {
          dots[half][2 * r].part[p] = vuzp1q_s32(first[r], second[r]);
          dots[half][2 * r + 1].part[p] = vuzp2q_s32(first[r], second[r]);
        }
      }
    }
  }
};

}  // namespace
