// AVX-512's strip vector: the 16 rows of a strip at one column are one zmm register.
//
// Every instruction set has a type of this shape for the bodies in generic/matmul_*-inl.h: F holds 16 floats, I 16 int32, X one
// activation for all 16 rows; `load` widens column j of the W::kStep columns that lie in 64 bytes of a strip; `dot` gives the
// exact products of one group of weights with kRows activation blocks, per scale, `dots` those of kStrips strips, unpacked to
// UnpackedOf<W>; `load_rows` and `store` move the first n of
// 16 rows; `load_fp8` widens column j of a pair of E4M3, to 2^-8 of the numbers; `to_f16` rounds 16 floats to nearest even;
// `fnma` is c - a * b, rounded once. For the policies of generic/weights_int8-inl.h I is also 16 rows x 4 bytes: `load_codes`
// and `store_codes` move 64 bytes (`load_once`: and the compiler does not load them again for their next use), `and_bytes`
// masks each of them, shifts move bits across bytes too, so that a mask follows them, `lookup` replaces bytes below 16 by a
// table's. `widen` makes floats of 16 signed bytes; `half_powers` makes 2^(e - 128) of 16 bytes e.
#pragma once

#include <immintrin.h>

#include "kernels/generic/gemm_int8-inl.h"
#include "kernels/generic/matmul_float-inl.h"

namespace {

struct StripAvx512 {
  using F = __m512;
  using I = __m512i;
  using X = __m512;

  // 32 registers: 2 strips x 12 rows of sums, 4 weights, 1 activation; int8 keeps the 8 registers of a block and 8 sums,
  // or 2 strips x 6 rows of sums and as many dots (x 4 rows with two dots each).
  static constexpr size_t kFloatStrips = 2;
  static constexpr size_t kFloatRows = 12;
  static constexpr size_t kInt8Rows = 8;
  static constexpr size_t kGemmStrips = 2;
  template <size_t kScales>
  static constexpr size_t kGemmRows = kScales == 1 ? 6 : 4;
  static constexpr size_t kMatvecStrips = 4;    // fma takes 4 cycles, one chain per strip
  static constexpr size_t kChunkColumns = 512;  // of a float matmul: 95 GFLOP/s on Zen 4, 84 with 128
  static constexpr size_t kAttentionRows = 8;
  static constexpr size_t kScoreRows = 8;       // of attention, that go with 2 strips of K at once
  static constexpr size_t kOutputVectors = 16;  // chains of an attention output tile
  static constexpr size_t kPrefetchBytes = 2048;

  static F zero() { return _mm512_setzero_ps(); }
  static X broadcast(const float* x) { return _mm512_set1_ps(*x); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static F fnma(F a, F b, F c) { return _mm512_fnmadd_ps(a, b, c); }
  static F to_float(I a) { return _mm512_cvtepi32_ps(a); }
  static F load_f16(const std::byte* p) { return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }

  static F load(WeightsF32, const std::byte* p, size_t) { return _mm512_loadu_ps(p); }
  static F load(WeightsF16, const std::byte* p, size_t j) { return load_f16(p + j * 32); }
  static F load(WeightsBf16, const std::byte* p, size_t j) {
    const I pairs = _mm512_loadu_si512(p);
    if (j == 0) return _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
    return _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(static_cast<int>(0xffff0000u))));
  }

  static F load_fp8(const std::byte* p, size_t j) {
    const __m256i pairs = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    const __m256i top = _mm256_srai_epi16(j == 0 ? _mm256_slli_epi16(pairs, 8) : pairs, 1);
    return _mm512_cvtph_ps(_mm256_and_si256(top, _mm256_set1_epi16(static_cast<int16_t>(0xbf80))));
  }

  static F load_bf16(const std::byte* p) {
    const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
  }
  static F load_i8(const std::byte* p) {
    return to_float(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
  }
  static X broadcast_f16(const std::byte* p) {
    int16_t half;
    __builtin_memcpy(&half, p, sizeof half);
    return _mm512_cvtph_ps(_mm256_set1_epi16(half));
  }
  static F scaled(F a, F by) { return mul(a, by); }

  static F load_rows(const float* y, size_t n) { return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), y); }
  // A masked store is microcode on Zen 4, and one per strip costs a fast memory's reader 3 % of its bandwidth.
  static void store(float* y, F a, size_t n) {
    if (n == kStripRows) return _mm512_storeu_ps(y, a);
    _mm512_mask_storeu_ps(y, static_cast<__mmask16>((1u << n) - 1), a);
  }

  static void to_f16(const float* x, uint16_t* halves) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(halves), _mm512_cvtps_ph(_mm512_loadu_ps(x), _MM_FROUND_TO_NEAREST_INT));
  }

  static I load_codes(const std::byte* p) { return _mm512_loadu_si512(p); }
  static I load_once(const std::byte* p) {
    I a = load_codes(p);
    asm("" : "+v"(a));
    return a;
  }
  static void store_codes(std::byte* p, I a) { _mm512_storeu_si512(p, a); }
  static I and_bytes(I a, uint8_t mask) { return _mm512_and_si512(a, _mm512_set1_epi8(static_cast<char>(mask))); }
  static I bit_or(I a, I b) { return _mm512_or_si512(a, b); }
  static I shift_left(I a, size_t n) { return reinterpret_cast<I>(reinterpret_cast<__v16su>(a) << static_cast<uint32_t>(n)); }
  static I shift_right(I a, size_t n) { return reinterpret_cast<I>(reinterpret_cast<__v16su>(a) >> static_cast<uint32_t>(n)); }

  static I lookup(I indices, const uint8_t (&table)[16]) {
    __m128i levels;
    __builtin_memcpy(&levels, table, sizeof(levels));
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(levels), indices);
  }
  template <class Bytes>
  static F widen(Bytes bytes) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(reinterpret_cast<__m128i>(bytes)));
  }
  static F half_powers(const std::byte* p) {
    const I e = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    const I normal = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), 23);
    const I small = _mm512_sllv_epi32(_mm512_set1_epi32(0x00200000), e);
    return _mm512_castsi512_ps(_mm512_mask_blend_epi32(_mm512_cmplt_epi32_mask(e, _mm512_set1_epi32(2)), normal, small));
  }

  // vpdpbusd multiplies unsigned codes by signed activations; the offset comes off at the start.
  template <class W, class Rows, size_t kRows>
  [[gnu::always_inline]] static inline void dot(const std::byte* block, size_t group, const Rows& x, size_t b,
                                                I (&dots)[W::kScales][kRows]) {
    I w[8];
    W::template codes<StripAvx512>(block, group, w);
    SISKIN_UNROLL
    for (size_t r = 0; r < kRows; ++r) {
      SISKIN_UNROLL
      for (size_t half = 0; half < W::kScales; ++half) {
        dots[half][r] = _mm512_set1_epi32(x.template start<W>(r, b, half));
      }
      SISKIN_UNROLL
      for (size_t j = 0; j < 8; ++j) {
        I& sum = dots[j * W::kScales / 8][r];
        sum = _mm512_dpbusd_epi32(sum, w[j], broadcast4(x.q(r, b) + j * 4));
      }
    }
  }

  // One tile loop for all offsets, which only x.start knows. A broadcast activation serves all strips.
  template <class W>
  using UnpackedOf = Unpacked<0, 255, W::kScales, W::kMins, W::kRowScale>;
  template <class W, class Rows, size_t kStrips, size_t kRows>
  [[gnu::always_inline]] static inline void dots(const std::byte* codes, const Rows& x, size_t b,
                                                 I (&sums)[W::kScales][kStrips][kRows]) {
    SISKIN_UNROLL
    for (size_t half = 0; half < W::kScales; ++half) {
      SISKIN_UNROLL
      for (size_t r = 0; r < kRows; ++r) {
        const I start = _mm512_set1_epi32(x.template start<W>(r, b, half));
        SISKIN_UNROLL
        for (size_t s = 0; s < kStrips; ++s) sums[half][s][r] = start;
      }
    }
    SISKIN_UNROLL
    for (size_t j = 0; j < 8; ++j, codes += kStrips * 64) {
      I w[kStrips];
      SISKIN_UNROLL
      for (size_t s = 0; s < kStrips; ++s) w[s] = _mm512_loadu_si512(codes + s * 64);
      SISKIN_UNROLL
      for (size_t r = 0; r < kRows; ++r) {
        const I values = broadcast4(x.q(r, b) + j * 4);
        SISKIN_UNROLL
        for (size_t s = 0; s < kStrips; ++s) {
          I& sum = sums[j * W::kScales / 8][s][r];
          sum = _mm512_dpbusd_epi32(sum, w[s], values);
        }
      }
    }
  }

  static I broadcast4(const int8_t* x) {
    int word;
    __builtin_memcpy(&word, x, 4);
    return _mm512_set1_epi32(word);
  }
};

}  // namespace
