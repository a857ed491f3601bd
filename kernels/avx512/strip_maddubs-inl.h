// AVX-512's strip vector without VNNI: the dot by vpmaddubsw, exactly.
#pragma once

#include "kernels/avx512/strip-inl.h"

namespace {

struct StripAvx512Maddubs : StripAvx512 {
  static constexpr size_t kGemmStrips = 1;
  template <size_t>
  static constexpr size_t kGemmRows = 8;
  template <class W>
  using UnpackedOf = Unpacked<W::kOffset, W::kMostCode, W::kScales, W::kMins>;

  // vpmaddubsw multiplies unsigned by signed bytes and adds two products in 16 bits, saturating. Codes below 64: as many steps
  // of 2 products as 16 bits hold are added before they are widened (4 if the codes are below 32), less kOffset times the
  // activations' own sum. Codes around 128: |code - 128| times the activation with its sign, at most 2 * 128 * 127 = 32512,
  // widened at once.
  template <class W>
  static constexpr bool kSigned = W::kOffset == 128;
  template <class W>
  static constexpr size_t kStepsAtOnce = kSigned<W> ? 1 : (W::kMostCode < 32 ? 4 : 2);

  template <class W, class Rows, size_t kRows>
  [[gnu::always_inline]] static inline void dot(const std::byte* block, size_t group, const Rows& x, size_t b,
                                                I (&dots)[W::kScales][kRows]) {
    static_assert(kSigned<W> || kStepsAtOnce<W> * 2 * W::kMostCode * 127 < 32768);
    SISKIN_UNROLL
    for (size_t half = 0; half < W::kScales; ++half) {
      SISKIN_UNROLL
      for (size_t r = 0; r < kRows; ++r) {
        dots[half][r] = _mm512_set1_epi32(kSigned<W> ? 0 : x.template start<W>(r, b, half));
      }
    }
    add_part<W>(block, group, x, b, 0, dots[0]);
    add_part<W>(block, group, x, b, 1, dots[W::kScales - 1]);
  }

  // 16 columns. The loops stay loops: GCC would sum the unrolled terms as a tree and spill every one of them.
  template <class W, class Rows, size_t kRows>
  [[gnu::always_inline]] static inline void add_part(const std::byte* block, size_t group, const Rows& x, size_t b, size_t part,
                                                     I (&dots)[kRows]) {
    SISKIN_NO_UNROLL
    for (size_t begin = 0; begin < 4; begin += kStepsAtOnce<W>) {
      I sums[kRows];
      SISKIN_UNROLL
      for (size_t r = 0; r < kRows; ++r) sums[r] = _mm512_setzero_si512();
      SISKIN_NO_UNROLL
      for (size_t step = begin; step < begin + kStepsAtOnce<W>; ++step) {
        const I w = W::template code<StripAvx512>(block, group, step, part);
        add_products<W>(w, x, b, part * 16 + step * 4, sums);
      }
      SISKIN_UNROLL
      for (size_t r = 0; r < kRows; ++r) {
        dots[r] = _mm512_add_epi32(dots[r], _mm512_madd_epi16(sums[r], _mm512_set1_epi16(1)));
      }
    }
  }

  // 16-bit sums of neighbours: columns k to k + 3 of every row.
  template <class W, class Rows, size_t kRows>
  [[gnu::always_inline]] static inline void add_products(I codes, const Rows& x, size_t b, size_t k, I (&sums)[kRows]) {
    const I w = kSigned<W> ? _mm512_xor_si512(codes, _mm512_set1_epi8(-128)) : codes;
    const __mmask64 negative = kSigned<W> ? _mm512_movepi8_mask(w) : 0;
    const I size = kSigned<W> ? _mm512_abs_epi8(w) : w;
    SISKIN_UNROLL
    for (size_t r = 0; r < kRows; ++r) {
      const I values = broadcast4(x.q(r, b) + k);
      if constexpr (kSigned<W>) {
        sums[r] = _mm512_maddubs_epi16(size, _mm512_mask_sub_epi8(values, negative, _mm512_setzero_si512(), values));
      } else {
        sums[r] = _mm512_add_epi16(sums[r], _mm512_maddubs_epi16(size, values));
      }
    }
  }
};

}  // namespace
