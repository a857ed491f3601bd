// AVX-VNNI's strip vector: AVX2's, whose dot is vpdpbusd on ymm registers.
#pragma once

#include "kernels/avx2/strip-inl.h"

namespace {

// The instruction in its VEX encoding. (AVX-512 VL has it in EVEX: the tests run these bodies on that one too.)
struct DpbusdVex {
  static __m256i add(__m256i sum, __m256i unsigned_bytes, __m256i signed_bytes) {
    return _mm256_dpbusd_avx_epi32(sum, unsigned_bytes, signed_bytes);
  }
};

template <class Dpbusd>
struct StripAvx2Vnni : StripAvx2 {
  // Unsigned codes by signed activations; kOffset * sum(activations) comes off at the start.
  template <class W, class Rows, size_t kRows>
  [[gnu::always_inline]] static inline void dot(const std::byte* block, size_t group, const Rows& x, size_t b,
                                                I (&dots)[W::kScales][kRows]) {
    SISKIN_UNROLL
    for (size_t half = 0; half < W::kScales; ++half) {
      SISKIN_UNROLL
      for (size_t r = 0; r < kRows; ++r) {
        const __m256i start = _mm256_set1_epi32(x.template start<W>(r, b, half));
        dots[half][r] = {start, start};
      }
    }
    SISKIN_UNROLL
    for (size_t j = 0; j < 8; ++j) {
      const I w = W::template code<StripAvx2>(block, group, j % 4, j / 4);
      SISKIN_UNROLL
      for (size_t r = 0; r < kRows; ++r) {
        const __m256i values = broadcast4(x.q(r, b) + j * 4);
        I& sum = dots[j * W::kScales / 8][r];
        sum = {Dpbusd::add(sum.low, w.low, values), Dpbusd::add(sum.high, w.high, values)};
      }
    }
  }
};

}  // namespace
