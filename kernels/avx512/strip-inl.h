// AVX-512's strip vector: the 16 rows of a strip at one column are one zmm register.
//
// Every instruction set has a type of this shape for the bodies in generic/matmul_*-inl.h: F holds 16 floats, I 16 int32, X one
// activation for all 16 rows; `load` widens column j of the W::kStep columns that lie in 64 bytes of a strip; `dot` gives the
// exact products of one weight block with kRows activation blocks; `load_rows` and
// `store` move the first n of 16 rows; `to_f16` rounds 16 floats to nearest even.
#pragma once

#include <immintrin.h>

#include "kernels/generic/matmul_float-inl.h"
#include "kernels/generic/matmul_int8-inl.h"

namespace {

struct StripAvx512 {
  using F = __m512;
  using I = __m512i;
  using X = __m512;

  // 32 registers: 2 strips x 12 rows of sums, 4 weights, 1 activation; int8 keeps the 8 registers of a block and 8 sums.
  static constexpr size_t kFloatStrips = 2;
  static constexpr size_t kFloatRows = 12;
  static constexpr size_t kInt8Rows = 8;
  static constexpr size_t kMatvecStrips = 4;    // fma takes 4 cycles, one chain per strip
  static constexpr size_t kChunkColumns = 512;  // of a float matmul: 95 GFLOP/s on Zen 4, 84 with 128
  static constexpr size_t kAttentionRows = 8;   // x 2 strips of scores
  static constexpr size_t kOutputVectors = 8;   // chains of an attention output tile
  static constexpr size_t kPrefetchBytes = 2048;

  static F zero() { return _mm512_setzero_ps(); }
  static X broadcast(const float* x) { return _mm512_set1_ps(*x); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static F to_float(I a) { return _mm512_cvtepi32_ps(a); }
  static F load_f16(const std::byte* p) { return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }

  static F load(WeightsF32, const std::byte* p, size_t) { return _mm512_loadu_ps(p); }
  static F load(WeightsF16, const std::byte* p, size_t j) { return load_f16(p + j * 32); }
  static F load(WeightsBf16, const std::byte* p, size_t j) {
    const I pairs = _mm512_loadu_si512(p);
    if (j == 0) return _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
    return _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(static_cast<int>(0xffff0000u))));
  }

  static F load_rows(const float* y, size_t n) { return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), y); }
  static void store(float* y, F a, size_t n) { _mm512_mask_storeu_ps(y, static_cast<__mmask16>((1u << n) - 1), a); }

  static void to_f16(const float* x, uint16_t* halves) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(halves), _mm512_cvtps_ph(_mm512_loadu_ps(x), _MM_FROUND_TO_NEAREST_INT));
  }

  // vpdpbusd multiplies unsigned weights (q + offset) by signed activations; offset * sum(activations) comes off again.
  static void weights(WeightsQ8, const std::byte* p, I (&w)[8]) {
    SISKIN_UNROLL
    for (size_t j = 0; j < 8; ++j) w[j] = _mm512_loadu_si512(p + j * 64);
  }
  static void weights(WeightsQ4, const std::byte* p, I (&w)[8]) {
    const I low = _mm512_set1_epi8(0x0f);
    SISKIN_UNROLL
    for (size_t j = 0; j < 4; ++j) {
      const I nibbles = _mm512_loadu_si512(p + j * 64);
      w[j] = _mm512_and_si512(nibbles, low);
      w[j + 4] = _mm512_and_si512(_mm512_srli_epi32(nibbles, 4), low);
    }
  }
  static I offset_times(WeightsQ8, I sum) { return _mm512_slli_epi32(sum, 7); }
  static I offset_times(WeightsQ4, I sum) { return _mm512_slli_epi32(sum, 3); }

  template <class W, class Rows, size_t kRows>
  [[gnu::always_inline]] static inline void dot(W type, const std::byte* block, const Rows& x, size_t b, I (&dots)[kRows]) {
    I w[8];
    weights(type, block, w);
    SISKIN_UNROLL
    for (size_t r = 0; r < kRows; ++r) {
      I sum = _mm512_setzero_si512();
      SISKIN_UNROLL
      for (size_t j = 0; j < 8; ++j) sum = _mm512_dpbusd_epi32(sum, w[j], broadcast4(x.q(r, b) + j * 4));
      dots[r] = _mm512_sub_epi32(sum, offset_times(type, _mm512_set1_epi32(x.sum(r, b))));
    }
  }

  static I broadcast4(const int8_t* x) {
    int word;
    __builtin_memcpy(&word, x, 4);
    return _mm512_set1_epi32(word);
  }
};

}  // namespace
