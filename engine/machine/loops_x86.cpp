// Read and arithmetic loops for x86-64, each compiled for its instruction set by a target attribute and reached only where the
// CPU has it. Accumulators are many enough to hide the latency of two units per cycle.
#include <immintrin.h>

#include "engine/machine/loops.h"

namespace siskin {
namespace {

__attribute__((target("avx512f"))) uint64_t read_avx512(const std::byte* data, size_t bytes) noexcept {
  __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a, e = a, f = a, g = a, h = a;
  for (size_t at = 0; at < bytes; at += kReadStep) {
    const std::byte* p = data + at;
    a = _mm512_xor_si512(a, _mm512_load_si512(p));
    b = _mm512_xor_si512(b, _mm512_load_si512(p + 64));
    c = _mm512_xor_si512(c, _mm512_load_si512(p + 128));
    d = _mm512_xor_si512(d, _mm512_load_si512(p + 192));
    e = _mm512_xor_si512(e, _mm512_load_si512(p + 256));
    f = _mm512_xor_si512(f, _mm512_load_si512(p + 320));
    g = _mm512_xor_si512(g, _mm512_load_si512(p + 384));
    h = _mm512_xor_si512(h, _mm512_load_si512(p + 448));
  }
  a = _mm512_xor_si512(_mm512_xor_si512(a, b), _mm512_xor_si512(c, d));
  e = _mm512_xor_si512(_mm512_xor_si512(e, f), _mm512_xor_si512(g, h));
  alignas(64) uint64_t lanes[8];
  _mm512_store_si512(lanes, _mm512_xor_si512(a, e));
  uint64_t total = 0;
  for (uint64_t lane : lanes) total ^= lane;
  return total;
}

__attribute__((target("avx2"))) uint64_t read_avx2(const std::byte* data, size_t bytes) noexcept {
  __m256i sums[8];
  for (__m256i& sum : sums) sum = _mm256_setzero_si256();
  for (size_t at = 0; at < bytes; at += kReadStep) {
#pragma GCC unroll 16
    for (size_t i = 0; i < 16; ++i) {
      const __m256i value = _mm256_load_si256(reinterpret_cast<const __m256i*>(data + at + i * 32));
      sums[i % 8] = _mm256_xor_si256(sums[i % 8], value);
    }
  }
  for (size_t i = 1; i < 8; ++i) sums[0] = _mm256_xor_si256(sums[0], sums[i]);
  alignas(32) uint64_t lanes[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), sums[0]);
  return lanes[0] ^ lanes[1] ^ lanes[2] ^ lanes[3];
}

// Hides a register's value from the compiler, so that no iteration is folded away.
#define SISKIN_KEEP(register_value) asm volatile("" : "+v"(register_value))

constexpr size_t kSums = 12;

__attribute__((target("avx512f"))) float multiply_add_avx512(size_t iterations) noexcept {
  __m512 sums[kSums];
  for (size_t i = 0; i < kSums; ++i) sums[i] = _mm512_set1_ps(static_cast<float>(i + 1));
  __m512 factor = _mm512_set1_ps(0.999f);
  SISKIN_KEEP(factor);
  for (size_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 12
    for (size_t i = 0; i < kSums; ++i) sums[i] = _mm512_fmadd_ps(sums[i], factor, factor);
  }
  for (size_t i = 1; i < kSums; ++i) sums[0] = _mm512_add_ps(sums[0], sums[i]);
  return _mm512_cvtss_f32(sums[0]);
}

__attribute__((target("avx2,fma"))) float multiply_add_avx2(size_t iterations) noexcept {
  __m256 sums[kSums];
  for (size_t i = 0; i < kSums; ++i) sums[i] = _mm256_set1_ps(static_cast<float>(i + 1));
  __m256 factor = _mm256_set1_ps(0.999f);
  SISKIN_KEEP(factor);
  for (size_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 12
    for (size_t i = 0; i < kSums; ++i) sums[i] = _mm256_fmadd_ps(sums[i], factor, factor);
  }
  for (size_t i = 1; i < kSums; ++i) sums[0] = _mm256_add_ps(sums[0], sums[i]);
  return _mm256_cvtss_f32(sums[0]);
}

__attribute__((target("avx512f,avx512bf16"))) float dot_bf16_avx512(size_t iterations) noexcept {
  __m512 sums[kSums];
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  __m512 ones = _mm512_castsi512_ps(_mm512_set1_epi16(0x3f80));  // bf16 1.0 in every half
  SISKIN_KEEP(ones);
  const __m512bh pairs = reinterpret_cast<__m512bh>(ones);
  for (size_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 12
    for (size_t i = 0; i < kSums; ++i) sums[i] = _mm512_dpbf16_ps(sums[i], pairs, pairs);
  }
  for (size_t i = 1; i < kSums; ++i) sums[0] = _mm512_add_ps(sums[0], sums[i]);
  return _mm512_cvtss_f32(sums[0]);
}

__attribute__((target("avx512f,avx512vnni"))) float dot_int8_avx512(size_t iterations) noexcept {
  __m512i sums[kSums];
  for (__m512i& sum : sums) sum = _mm512_setzero_si512();
  __m512i ones = _mm512_set1_epi8(1);
  SISKIN_KEEP(ones);
  for (size_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 12
    for (size_t i = 0; i < kSums; ++i) sums[i] = _mm512_dpbusd_epi32(sums[i], ones, ones);
  }
  for (size_t i = 1; i < kSums; ++i) sums[0] = _mm512_add_epi32(sums[0], sums[i]);
  alignas(64) int32_t lanes[16];
  _mm512_store_si512(lanes, sums[0]);
  return static_cast<float>(lanes[0]);
}

__attribute__((target("avx2,avxvnni"))) float dot_int8_avxvnni(size_t iterations) noexcept {
  __m256i sums[kSums];
  for (__m256i& sum : sums) sum = _mm256_setzero_si256();
  __m256i ones = _mm256_set1_epi8(1);
  SISKIN_KEEP(ones);
  for (size_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 12
    for (size_t i = 0; i < kSums; ++i) sums[i] = _mm256_dpbusd_avx_epi32(sums[i], ones, ones);
  }
  for (size_t i = 1; i < kSums; ++i) sums[0] = _mm256_add_epi32(sums[0], sums[i]);
  return static_cast<float>(_mm256_cvtsi256_si32(sums[0]));
}

// Without VNNI an int8 dot is a multiply to pairs in int16, a widening to int32 and an addition. The factor is hidden anew each
// time, because a product of two constants would be taken out of the loop.
__attribute__((target("avx2"))) float dot_int8_avx2(size_t iterations) noexcept {
  constexpr size_t kAvx2Sums = 8;  // with four factors and the ones this fills the sixteen registers
  __m256i sums[kAvx2Sums];
  for (__m256i& sum : sums) sum = _mm256_setzero_si256();
  __m256i factor = _mm256_set1_epi8(1);
  const __m256i ones = _mm256_set1_epi16(1);
  for (size_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 8
    for (size_t i = 0; i < kAvx2Sums; ++i) {
      SISKIN_KEEP(factor);
      sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(_mm256_maddubs_epi16(factor, factor), ones));
    }
  }
  for (size_t i = 1; i < kAvx2Sums; ++i) sums[0] = _mm256_add_epi32(sums[0], sums[i]);
  return static_cast<float>(_mm256_cvtsi256_si32(sums[0]));
}

#undef SISKIN_KEEP

}  // namespace

ReadLoop vector_read_loop(std::string_view isa, const CpuFeatures& features) {
  if ((isa.starts_with("avx512") || isa.starts_with("amx")) && features.avx512) return read_avx512;
  if (isa != "ref" && features.avx2) return read_avx2;
  return nullptr;
}

void add_vector_loops(const CpuFeatures& features, ArithmeticLoops& loops) {
  if (features.avx2) {
    loops.f32 = {kSums * 8 * 2, multiply_add_avx2};
    loops.int8_vector = {8 * 32 * 2, dot_int8_avx2};
  }
  if (features.avx2vnni) loops.int8_vector = {kSums * 32 * 2, dot_int8_avxvnni};
  if (features.avx512) loops.f32 = {kSums * 16 * 2, multiply_add_avx512};
  if (features.avx512vnni) loops.int8_vector = {kSums * 64 * 2, dot_int8_avx512};
  if (features.avx512bf16) loops.bf16 = {kSums * 32 * 2, dot_bf16_avx512};
}

}  // namespace siskin
