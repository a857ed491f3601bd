// AVX-512's 16 lanes with bf16 rounding, for unpacking weights (generic/bf16_unpack-inl.h says what lanes offer).
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/avx512/strip-inl.h"

namespace {

// What the policies of weights_int8-inl.h want is StripAvx512's.
struct LanesAvx512Bf16 : StripAvx512 {
  static F broadcast(float x) { return _mm512_set1_ps(x); }
  static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  static F load_f32(const std::byte* p) { return _mm512_loadu_ps(p); }
  static void store(std::byte* p, I a) { _mm512_storeu_si512(p, a); }
  static F code(I a, size_t j) {
    const I shifted = j == 0 ? a : _mm512_srli_epi32(a, static_cast<unsigned>(8 * j));
    return _mm512_cvtepi32_ps(j == 3 ? shifted : _mm512_and_si512(shifted, _mm512_set1_epi32(255)));
  }

  static I round_pair(F low, F high) {
    const __m512bh halves = _mm512_cvtne2ps_pbh(high, low);  // 16 of low, then 16 of high
    const I interleave = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8,  //
                                          23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    I words;
    __builtin_memcpy(&words, &halves, sizeof(words));
    return _mm512_permutexvar_epi16(interleave, words);
  }
};

// out[k] = bf16(x[k]), then zeros up to a multiple of 32 (kernels.h, RoundFn).
void round_bf16(const float* x, size_t n, uint16_t* out) noexcept {
  for (size_t k = 0; k < n; k += 32) {
    const uint32_t mask = n - k < 32 ? (1u << (n - k)) - 1 : ~0u;
    const __m512 low = _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), x + k);
    const __m512 high = _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask >> 16), x + k + 16);
    const __m512bh halves = _mm512_cvtne2ps_pbh(high, low);
    __builtin_memcpy(out + k, &halves, sizeof(halves));
  }
}

}  // namespace
