// AVX2's strip vector (with FMA and F16C): the 16 rows of a strip at one column are two ymm registers.
// What the bodies in generic/matmul_*-inl.h ask of it is said in avx512/strip-inl.h.
#pragma once

#include <immintrin.h>

#include "kernels/generic/matmul_float-inl.h"
#include "kernels/generic/matmul_int8-inl.h"

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
  static constexpr size_t kMatvecStrips = 4;
  static constexpr size_t kChunkColumns = 128;  // of a float matmul: 85 GFLOP/s on Zen 4, 80 with 512
  static constexpr size_t kAttentionRows = 2;   // x 2 strips of scores, of two registers each
  static constexpr size_t kOutputVectors = 4;   // of an attention output tile
  static constexpr size_t kPrefetchBytes = 2048;

  static F zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static X broadcast(const float* x) { return _mm256_broadcast_ss(x); }
  static F mul(F a, X b) { return {_mm256_mul_ps(a.low, b), _mm256_mul_ps(a.high, b)}; }
  static F fma(F a, X b, F c) { return {_mm256_fmadd_ps(a.low, b, c.low), _mm256_fmadd_ps(a.high, b, c.high)}; }
  static F fma(F a, F b, F c) { return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)}; }
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

  // vpmaddubsw multiplies unsigned by signed bytes and adds two products in 16 bits, saturating. Q8_0: |w| times the activation
  // with w's sign, at most 2 * 128 * 127 = 32512, widened at once. Q4_0: the nibble 0..15 times the activation, 16 products of
  // a block at most 16 * 15 * 127 = 30480, widened at the block's end, less 8 times the activations' own sum.
  template <class W, class Rows, size_t kRows>
  [[gnu::always_inline]] static inline void dot(W type, const std::byte* block, const Rows& x, size_t b, I (&dots)[kRows]) {
    SISKIN_UNROLL
    for (size_t r = 0; r < kRows; ++r) {
      dots[r] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    }
    SISKIN_NO_UNROLL  // GCC would sum the unrolled terms as a tree and spill every one of them
        for (size_t step = 0; step < 4; ++step) {
      add_group(type, block, x, b, step, 0, dots);
      add_group(type, block, x, b, step, 1, dots);
    }
    SISKIN_UNROLL
    for (size_t r = 0; r < kRows; ++r) {
      const int32_t sum = x.sum(r, b);
      dots[r] = {block_sum(type, dots[r].low, sum), block_sum(type, dots[r].high, sum)};
    }
  }

  // The two groups of 4 columns of a step: neighbours in Q8_0, the low and the high nibbles of the same bytes in Q4_0.
  template <class W, class Rows, size_t kRows>
  [[gnu::always_inline]] static inline void add_group(W type, const std::byte* block, const Rows& x, size_t b, size_t step,
                                                      size_t part, I (&dots)[kRows]) {
    const __m256i low = weights(type, block, step, part);
    const __m256i high = weights(type, block + 32, step, part);
    SISKIN_UNROLL
    for (size_t r = 0; r < kRows; ++r) {
      const __m256i values = broadcast4(x.q(r, b) + first_column(type, step, part));
      dots[r].low = add_products(type, low, values, dots[r].low);
      dots[r].high = add_products(type, high, values, dots[r].high);
    }
  }

  static size_t first_column(WeightsQ8, size_t step, size_t part) { return step * 8 + part * 4; }
  static size_t first_column(WeightsQ4, size_t step, size_t part) { return step * 4 + part * 16; }

  static __m256i weights(WeightsQ8, const std::byte* half, size_t step, size_t part) {
    return _mm256_xor_si256(load_bytes(half + step * 128 + part * 64), _mm256_set1_epi8(-128));
  }
  static __m256i weights(WeightsQ4, const std::byte* half, size_t step, size_t part) {
    const __m256i nibbles = load_bytes(half + step * 64);
    return _mm256_and_si256(part == 0 ? nibbles : _mm256_srli_epi32(nibbles, 4), _mm256_set1_epi8(0x0f));
  }

  static __m256i pair_sums(__m256i products) { return _mm256_madd_epi16(products, _mm256_set1_epi16(1)); }

  static __m256i add_products(WeightsQ8, __m256i w, __m256i x, __m256i dots) {
    return _mm256_add_epi32(dots, pair_sums(_mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w))));
  }
  static __m256i add_products(WeightsQ4, __m256i w, __m256i x, __m256i dots) {
    return _mm256_add_epi16(dots, _mm256_maddubs_epi16(w, x));
  }
  static __m256i block_sum(WeightsQ8, __m256i dots, int32_t) { return dots; }
  static __m256i block_sum(WeightsQ4, __m256i dots, int32_t sum) {
    return _mm256_sub_epi32(pair_sums(dots), _mm256_set1_epi32(8 * sum));
  }

  static __m256i broadcast4(const int8_t* x) {
    int word;
    __builtin_memcpy(&word, x, 4);
    return _mm256_set1_epi32(word);
  }
};

}  // namespace
