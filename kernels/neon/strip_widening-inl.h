// NEON's strip vector on any arm64 CPU: the dot by widening multiplies.
#pragma once

#include "kernels/neon/strip-inl.h"

namespace {

struct StripNeonWidening : StripNeon {
  // smull and smlal add two products in 16 bits, at most 2 * 128 * 127 = 32512; sadalp adds neighbours to 32-bit sums, two for
  // each row. Four rows of the strip at a time, so that the sums of kRows activation rows stay in registers.
  template <class W, class Rows, size_t kRows>
  [[gnu::always_inline]] static inline void dot(const std::byte* block, size_t group, const Rows& x, size_t b,
                                                I (&dots)[W::kScales][kRows]) {
    constexpr size_t pieces = 8 / W::kScales;
    SISKIN_UNROLL
    for (size_t p = 0; p < 4; ++p) {
      SISKIN_UNROLL
      for (size_t half = 0; half < W::kScales; ++half) {
        int32x4_t low[kRows], high[kRows];
        SISKIN_UNROLL
        for (size_t r = 0; r < kRows; ++r) low[r] = high[r] = vdupq_n_s32(0);
        SISKIN_UNROLL
        for (size_t j = half * pieces; j < (half + 1) * pieces; j += 2) {
          const int8x16_t first = signed_codes<W>(block, group, j, p);
          const int8x16_t second = signed_codes<W>(block, group, j + 1, p);
          SISKIN_UNROLL
          for (size_t r = 0; r < kRows; ++r) {
            const int8x8_t x1 = broadcast4(x.q(r, b) + j * 4);
            const int8x8_t x2 = broadcast4(x.q(r, b) + j * 4 + 4);
            low[r] = vpadalq_s16(low[r], vmlal_s8(vmull_s8(vget_low_s8(first), x1), vget_low_s8(second), x2));
            high[r] = vpadalq_s16(high[r], vmlal_s8(vmull_s8(vget_high_s8(first), x1), vget_high_s8(second), x2));
          }
        }
        SISKIN_UNROLL
        for (size_t r = 0; r < kRows; ++r) dots[half][r].part[p] = vpaddq_s32(low[r], high[r]);
      }
    }
  }

  // Rows 4p .. 4p+3 of the 4 columns from 4j on.
  template <class W>
  [[gnu::always_inline]] static inline int8x16_t signed_codes(const std::byte* block, size_t group, size_t j, size_t p) {
    const I codes = W::template code<StripNeon>(block, group, j % 4, j / 4);
    return vreinterpretq_s8_u8(vsubq_u8(vreinterpretq_u8_s32(codes.part[p]), vdupq_n_u8(W::kOffset)));
  }

  static int8x8_t broadcast4(const int8_t* x) {
    int32_t word;
    __builtin_memcpy(&word, x, 4);
    return vreinterpret_s8_s32(vdup_n_s32(word));
  }
};

}  // namespace
