// AVX2's strip vector (with FMA and F16C): the 16 rows of a strip at one column are two ymm registers.
// What the bodies in generic/matmul_*-inl.h ask of it is said in avx512/strip-inl.h.
#pragma once

#include <immintrin.h>

#include "kernels/generic/gemm_int8-inl.h"
#include "kernels/generic/maddubs-inl.h"
#include "kernels/generic/matmul_float-inl.h"

namespace {

struct StripAvx2 {
  struct F {
    __m256 low, high;
  };
  struct I {
    __m256i low, high;
  };
  using X = __m256;

  // 16 registers: 1 strip x 6 rows of two sums each, 2 weights, 1 activation. int8: 4 rows of two sums, the float sums spill
  // once per block of 32.
  static constexpr size_t kFloatStrips = 1;
  static constexpr size_t kFloatRows = 6;
  static constexpr size_t kInt8Rows = 4;
  static constexpr size_t kGemmStrips = 1;
  template <size_t kScales>
  static constexpr size_t kGemmRows = 4;
  static constexpr size_t kMatvecStrips = 4;
  static constexpr size_t kChunkColumns = 128;  // of a float matmul: 85 GFLOP/s on Zen 4, 80 with 512
  static constexpr size_t kAttentionRows = 4;
  static constexpr size_t kScoreRows = 2;      // x 2 strips of scores, of two registers each; more rows go strip by strip
  static constexpr size_t kOutputVectors = 4;  // of an attention output tile
  static constexpr size_t kPrefetchBytes = 2048;

  static F zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static X broadcast(const float* x) { return _mm256_broadcast_ss(x); }
  static F mul(F a, X b) { return {_mm256_mul_ps(a.low, b), _mm256_mul_ps(a.high, b)}; }
  static F mul(F a, F b) { return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)}; }
  static F fma(F a, X b, F c) { return {_mm256_fmadd_ps(a.low, b, c.low), _mm256_fmadd_ps(a.high, b, c.high)}; }
  static F fma(F a, F b, F c) { return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)}; }
  static F fnma(F a, X b, F c) { return {_mm256_fnmadd_ps(a.low, b, c.low), _mm256_fnmadd_ps(a.high, b, c.high)}; }
  static F to_float(I a) { return {_mm256_cvtepi32_ps(a.low), _mm256_cvtepi32_ps(a.high)}; }
  static F load_f16(const std::byte* p) {
    return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))),
            _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 16)))};
  }
  static __m256i load_bytes(const std::byte* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }

  static F load(WeightsF32, const std::byte* p, size_t) {
    return {_mm256_loadu_ps(reinterpret_cast<const float*>(p)), _mm256_loadu_ps(reinterpret_cast<const float*>(p + 32))};
  }
  static F load(WeightsF16, const std::byte* p, size_t j) { return load_f16(p + j * 32); }
  static F load(WeightsBf16, const std::byte* p, size_t j) { return {bf16_half(p, j), bf16_half(p + 32, j)}; }
  static __m256 bf16_half(const std::byte* p, size_t j) {
    const __m256i pairs = load_bytes(p);
    if (j == 0) return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
    return _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(static_cast<int>(0xffff0000u))));
  }

  static F load_fp8(const std::byte* p, size_t j) {
    const __m256i pairs = load_bytes(p);
    const __m256i top = _mm256_srai_epi16(j == 0 ? _mm256_slli_epi16(pairs, 8) : pairs, 1);
    const __m256i halves = _mm256_and_si256(top, _mm256_set1_epi16(static_cast<int16_t>(0xbf80)));
    return {_mm256_cvtph_ps(_mm256_castsi256_si128(halves)), _mm256_cvtph_ps(_mm256_extracti128_si256(halves, 1))};
  }

  static F load_bf16(const std::byte* p) { return {widen_bf16(p), widen_bf16(p + 16)}; }
  static __m256 widen_bf16(const std::byte* p) {
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
  }
  static F load_i8(const std::byte* p) {
    return to_float({_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))),
                     _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p + 8)))});
  }
  static X broadcast_f16(const std::byte* p) {
    int16_t half;
    __builtin_memcpy(&half, p, sizeof half);
    return _mm256_cvtph_ps(_mm_set1_epi16(half));
  }
  static F scaled(const F& a, const F& by) { return {_mm256_mul_ps(a.low, by.low), _mm256_mul_ps(a.high, by.high)}; }

  static F load_rows(const float* y, size_t n) {
    if (n == 16) return {_mm256_loadu_ps(y), _mm256_loadu_ps(y + 8)};
    float rows[16] = {};
    for (size_t r = 0; r < n; ++r) rows[r] = y[r];
    return {_mm256_loadu_ps(rows), _mm256_loadu_ps(rows + 8)};
  }
  static void store(float* y, F a, size_t n) {
    if (n == 16) {
      _mm256_storeu_ps(y, a.low);
      _mm256_storeu_ps(y + 8, a.high);
      return;
    }
    float rows[16];
    _mm256_storeu_ps(rows, a.low);
    _mm256_storeu_ps(rows + 8, a.high);
    for (size_t r = 0; r < n; ++r) y[r] = rows[r];
  }

  static void to_f16(const float* x, uint16_t* halves) {
    for (size_t half = 0; half < 16; half += 8) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(halves + half),
                       _mm256_cvtps_ph(_mm256_loadu_ps(x + half), _MM_FROUND_TO_NEAREST_INT));
    }
  }

  static I load_codes(const std::byte* p) { return {load_bytes(p), load_bytes(p + 32)}; }
  static I load_once(const std::byte* p) { return load_codes(p); }
  static void store_codes(std::byte* p, I a) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a.low);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 32), a.high);
  }
  static I and_bytes(I a, uint8_t byte) {
    const __m256i mask = _mm256_set1_epi8(static_cast<char>(byte));
    return {_mm256_and_si256(a.low, mask), _mm256_and_si256(a.high, mask)};
  }
  static I bit_or(I a, I b) { return {_mm256_or_si256(a.low, b.low), _mm256_or_si256(a.high, b.high)}; }
  static I shift_left(I a, size_t n) {
    const auto shift = [n](__m256i v) {
      return reinterpret_cast<__m256i>(reinterpret_cast<__v8su>(v) << static_cast<uint32_t>(n));
    };
    return {shift(a.low), shift(a.high)};
  }
  static I shift_right(I a, size_t n) {
    const auto shift = [n](__m256i v) {
      return reinterpret_cast<__m256i>(reinterpret_cast<__v8su>(v) >> static_cast<uint32_t>(n));
    };
    return {shift(a.low), shift(a.high)};
  }

  static I lookup(I indices, const uint8_t (&table)[16]) {
    __m128i levels;
    __builtin_memcpy(&levels, table, sizeof(levels));
    const __m256i both = _mm256_broadcastsi128_si256(levels);
    return {_mm256_shuffle_epi8(both, indices.low), _mm256_shuffle_epi8(both, indices.high)};
  }
  template <class Bytes>
  static F widen(Bytes rows) {
    const auto bytes = reinterpret_cast<__m128i>(rows);
    return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)),
            _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8)))};
  }
  static F half_powers(const std::byte* p) { return {half_powers_of_8(p), half_powers_of_8(p + 8)}; }
  static __m256 half_powers_of_8(const std::byte* p) {
    const __m256i e = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
    const __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
    const __m256i small = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), e);
    return _mm256_castsi256_ps(_mm256_blendv_epi8(normal, small, _mm256_cmpgt_epi32(_mm256_set1_epi32(2), e)));
  }

  template <class W, class Rows, size_t kRows>
  [[gnu::always_inline]] static inline void dot(const std::byte* block, size_t group, const Rows& x, size_t b,
                                                I (&dots)[W::kScales][kRows]) {
    maddubs_dot<StripAvx2, W>(block, group, x, b, dots);
  }

  template <class W>
  using UnpackedOf = Unpacked<W::kOffset, W::kMostCode, W::kScales, W::kMins, W::kRowScale>;

  static I all_of(int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }

  template <class W, class Rows, size_t kRows>
  [[gnu::always_inline]] static inline void add_products(I codes, const Rows& x, size_t b, size_t k, I (&sums)[kRows]) {
    const I w = kCodesAround128<W> ? I{without_128(codes.low), without_128(codes.high)} : codes;
    SISKIN_UNROLL
    for (size_t r = 0; r < kRows; ++r) {
      const __m256i values = broadcast4(x.q(r, b) + k);
      sums[r].low = add_products_of_8<W>(w.low, values, sums[r].low);
      sums[r].high = add_products_of_8<W>(w.high, values, sums[r].high);
    }
  }
  template <class W>
  static __m256i add_products_of_8(__m256i w, __m256i x, __m256i sums) {
    if constexpr (kCodesAround128<W>) return _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
    return _mm256_add_epi16(sums, _mm256_maddubs_epi16(w, x));
  }
  static I add_pairs(I dots, I sums) {
    return {_mm256_add_epi32(dots.low, pair_sums(sums.low)), _mm256_add_epi32(dots.high, pair_sums(sums.high))};
  }

  static __m256i without_128(__m256i codes) { return _mm256_xor_si256(codes, _mm256_set1_epi8(-128)); }
  static __m256i pair_sums(__m256i products) { return _mm256_madd_epi16(products, _mm256_set1_epi16(1)); }

  static __m256i broadcast4(const int8_t* x) {
    int word;
    __builtin_memcpy(&word, x, 4);
    return _mm256_set1_epi32(word);
  }
};

}  // namespace
