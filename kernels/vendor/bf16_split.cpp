// Splits f32 into two bf16, with the CPU's own conversion where there is one.
#include "kernels/vendor/bf16_split.h"

#include "formats/blocks/half.h"
#include "kernels/cpu.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace siskin {
namespace {

void split_scalar(const float* x, size_t n, uint16_t* high, uint16_t* low) {
  for (size_t i = 0; i < n; ++i) {
    high[i] = bf16_from_f32(x[i]);
    low[i] = bf16_from_f32(x[i] - f32_from_bf16(high[i]));
  }
}

#if defined(__x86_64__)
__attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16"))) void split_avx512(const float* x, size_t n, uint16_t* high,
                                                                                  uint16_t* low) {
  for (size_t i = 0; i < n; i += 16) {
    const __mmask16 mask = n - i >= 16 ? __mmask16{0xffff} : static_cast<__mmask16>((1u << (n - i)) - 1);
    const __m512 value = _mm512_maskz_loadu_ps(mask, x + i);
    const __m256i rounded = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(value));
    const __m512i widened = _mm512_maskz_slli_epi32(0xffff, _mm512_maskz_cvtepu16_epi32(0xffff, rounded), 16);
    const __m512 rest = _mm512_sub_ps(value, _mm512_castsi512_ps(widened));
    _mm256_mask_storeu_epi16(high + i, mask, rounded);
    _mm256_mask_storeu_epi16(low + i, mask, reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(rest)));
  }
}
#endif

}  // namespace

void split_bf16(const float* x, size_t n, uint16_t* high, uint16_t* low) noexcept {
#if defined(__x86_64__)
  if (cpu_features().avx512 && cpu_features().avx512bf16) return split_avx512(x, n, high, low);
#endif
  split_scalar(x, n, high, low);
}

}  // namespace siskin
