// AVX-512's strip vector without VNNI: the dot by vpmaddubsw, exactly.
#pragma once

#include "kernels/avx512/strip-inl.h"
#include "kernels/generic/maddubs-inl.h"

namespace {

struct StripAvx512Maddubs : StripAvx512 {
  static constexpr size_t kGemmStrips = 1;
  template <size_t>
  static constexpr size_t kGemmRows = 8;
  template <class W>
  using UnpackedOf = Unpacked<W::kOffset, W::kMostCode, W::kScales, W::kMins, W::kRowScale>;

  template <class W, class Rows, size_t kRows>
  [[gnu::always_inline]] static inline void dot(const std::byte* block, size_t group, const Rows& x, size_t b,
                                                I (&dots)[W::kScales][kRows]) {
    maddubs_dot<StripAvx512Maddubs, W>(block, group, x, b, dots);
  }

  static I all_of(int32_t x) { return _mm512_set1_epi32(x); }

  template <class W, class Rows, size_t kRows>
  [[gnu::always_inline]] static inline void add_products(I codes, const Rows& x, size_t b, size_t k, I (&sums)[kRows]) {
    const I w = kCodesAround128<W> ? _mm512_xor_si512(codes, _mm512_set1_epi8(-128)) : codes;
    const __mmask64 negative = kCodesAround128<W> ? _mm512_movepi8_mask(w) : 0;
    const I size = kCodesAround128<W> ? _mm512_abs_epi8(w) : w;
    SISKIN_UNROLL
    for (size_t r = 0; r < kRows; ++r) {
      const I values = broadcast4(x.q(r, b) + k);
      if constexpr (kCodesAround128<W>) {
        sums[r] = _mm512_maddubs_epi16(size, _mm512_mask_sub_epi8(values, negative, _mm512_setzero_si512(), values));
      } else {
        sums[r] = _mm512_add_epi16(sums[r], _mm512_maddubs_epi16(size, values));
      }
    }
  }
  static I add_pairs(I dots, I sums) { return _mm512_add_epi32(dots, _mm512_madd_epi16(sums, _mm512_set1_epi16(1))); }
};

}  // namespace
