// Read and arithmetic loops for x86-64, each compiled for its instruction set by a target attribute and reached only where the
// CPU has it. Accumulators are many enough to hide the latency of two units per cycle.
#include <immintrin.h>

#include "engine/machine/loops.h"

namespace siskin {
namespace {

// Four streams, a quarter of the range each: a core's prefetchers follow several, and one alone leaves bandwidth unused (Zen 4,
// 256 MB in huge pages: 32.3 against 30.1 GB/s; two streams 32.3, eight 26.6, and software prefetch gains nothing).
constexpr size_t kStreams = 4;
constexpr size_t kStreamStep = kReadStep / kStreams;

__attribute__((target("avx512f"))) uint64_t read_avx512(const std::byte* data, size_t bytes) noexcept {
  const size_t quarter = bytes / kStreams;
  __m512i sums[kStreams * 2];
  for (__m512i& sum : sums) sum = _mm512_setzero_si512();
  for (size_t at = 0; at < quarter; at += kStreamStep) {
#pragma GCC unroll 4
    for (size_t stream = 0; stream < kStreams; ++stream) {
      const std::byte* from = data + stream * quarter + at;
      sums[stream * 2] = _mm512_xor_si512(sums[stream * 2], _mm512_load_si512(from));
      sums[stream * 2 + 1] = _mm512_xor_si512(sums[stream * 2 + 1], _mm512_load_si512(from + 64));
    }
  }
  for (size_t i = 1; i < kStreams * 2; ++i) sums[0] = _mm512_xor_si512(sums[0], sums[i]);
  alignas(64) uint64_t lanes[8];
  _mm512_store_si512(lanes, sums[0]);
  uint64_t total = 0;
  for (uint64_t lane : lanes) total ^= lane;
  return total;
}

__attribute__((target("avx2"))) uint64_t read_avx2(const std::byte* data, size_t bytes) noexcept {
  const size_t quarter = bytes / kStreams;
  __m256i sums[kStreams * 2];
  for (__m256i& sum : sums) sum = _mm256_setzero_si256();
  for (size_t at = 0; at < quarter; at += kStreamStep) {
#pragma GCC unroll 16
    for (size_t i = 0; i < kStreams * 4; ++i) {
      const std::byte* from = data + i / 4 * quarter + at + i % 4 * 32;
      sums[i / 2] = _mm256_xor_si256(sums[i / 2], _mm256_load_si256(reinterpret_cast<const __m256i*>(from)));
    }
  }
  for (size_t i = 1; i < kStreams * 2; ++i) sums[0] = _mm256_xor_si256(sums[0], sums[i]);
  alignas(32) uint64_t lanes[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), sums[0]);
  return lanes[0] ^ lanes[1] ^ lanes[2] ^ lanes[3];
}

constexpr size_t kSums = 12;

__attribute__((target("avx512f"))) float multiply_add_avx512(size_t iterations) noexcept {
  __m512 sums[kSums];
  for (size_t i = 0; i < kSums; ++i) sums[i] = _mm512_set1_ps(static_cast<float>(i + 1));
  __m512 factor = _mm512_set1_ps(0.999f);
  asm volatile("" : "+v"(factor));  // unknown to the compiler, so that nothing is computed ahead
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
  asm volatile("" : "+x"(factor));
  for (size_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 12
    for (size_t i = 0; i < kSums; ++i) sums[i] = _mm256_fmadd_ps(sums[i], factor, factor);
  }
  for (size_t i = 1; i < kSums; ++i) sums[0] = _mm256_add_ps(sums[0], sums[i]);
  return _mm256_cvtss_f32(sums[0]);
}

// The dot products are assembler: around their intrinsics GCC 12 puts two register moves for each instruction, which take the
// issue slots of a CPU that has two such units, and an array of sums that assembler touches lies in memory. Twelve sums, one
// operand.
#define SISKIN_DOT_LOOP(Vector, zero, ones, instruction)                                                                     \
  Vector s0 = zero, s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0, s8 = s0, s9 = s0, s10 = s0, s11 = s0;     \
  const Vector operand = ones;                                                                                               \
  for (size_t n = 0; n < iterations; ++n) {                                                                                  \
    asm volatile(instruction " %12, %12, %0\n\t" instruction " %12, %12, %1\n\t" instruction " %12, %12, %2\n\t" instruction \
                             " %12, %12, %3\n\t" instruction " %12, %12, %4\n\t" instruction " %12, %12, %5\n\t" instruction \
                             " %12, %12, %6\n\t" instruction " %12, %12, %7\n\t" instruction " %12, %12, %8\n\t" instruction \
                             " %12, %12, %9\n\t" instruction " %12, %12, %10\n\t" instruction " %12, %12, %11"               \
                 : "+v"(s0), "+v"(s1), "+v"(s2), "+v"(s3), "+v"(s4), "+v"(s5), "+v"(s6), "+v"(s7), "+v"(s8), "+v"(s9),       \
                   "+v"(s10), "+v"(s11)                                                                                      \
                 : "v"(operand));                                                                                            \
  }                                                                                                                          \
  return static_cast<float>(s0[0])

__attribute__((target("avx512f,avx512bf16"))) float dot_bf16_avx512(size_t iterations) noexcept {
  SISKIN_DOT_LOOP(__m512, _mm512_setzero_ps(), _mm512_castsi512_ps(_mm512_set1_epi16(0x3f80)), "vdpbf16ps");  // bf16 1.0
}

__attribute__((target("avx512f,avx512vnni"))) float dot_int8_avx512(size_t iterations) noexcept {
  SISKIN_DOT_LOOP(__m512i, _mm512_setzero_si512(), _mm512_set1_epi8(1), "vpdpbusd");
}

__attribute__((target("avx2,avxvnni"))) float dot_int8_avxvnni(size_t iterations) noexcept {
  SISKIN_DOT_LOOP(__m256i, _mm256_setzero_si256(), _mm256_set1_epi8(1), "%{vex%} vpdpbusd");
}

#undef SISKIN_DOT_LOOP

// Without VNNI an int8 dot is a multiply to pairs in int16, a widening to int32 and an addition. Eight sums and four products
// in flight, with the two operands, fit the sixteen registers.
constexpr size_t kPairSums = 8;

__attribute__((target("avx2"))) float dot_int8_avx2(size_t iterations) noexcept {
#define SISKIN_PAIR_DOT(sum, product)                                                                                     \
  "vpmaddubsw %12, %12, %" product "\n\tvpmaddwd %13, %" product ", %" product "\n\tvpaddd %" product ", %" sum ", %" sum \
  "\n"                                                                                                                    \
  "\t"
  __m256i s0 = _mm256_setzero_si256(), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0, p0, p1, p2, p3;
  const __m256i ones = _mm256_set1_epi8(1), words = _mm256_set1_epi16(1);
  for (size_t n = 0; n < iterations; ++n) {
    asm volatile(SISKIN_PAIR_DOT("0", "8") SISKIN_PAIR_DOT("1", "9") SISKIN_PAIR_DOT("2", "10") SISKIN_PAIR_DOT("3", "11")
                     SISKIN_PAIR_DOT("4", "8") SISKIN_PAIR_DOT("5", "9") SISKIN_PAIR_DOT("6", "10") SISKIN_PAIR_DOT("7", "11")
                 : "+x"(s0), "+x"(s1), "+x"(s2), "+x"(s3), "+x"(s4), "+x"(s5), "+x"(s6), "+x"(s7), "=&x"(p0), "=&x"(p1),
                   "=&x"(p2), "=&x"(p3)
                 : "x"(ones), "x"(words));
  }
#undef SISKIN_PAIR_DOT
  return static_cast<float>(_mm256_cvtsi256_si32(s0));
}

}  // namespace

ReadLoop vector_read_loop(std::string_view isa, const CpuFeatures& features) {
  if ((isa.starts_with("avx512") || isa.starts_with("amx")) && features.avx512) return read_avx512;
  if (isa != "ref" && features.avx2) return read_avx2;
  return nullptr;
}

void add_vector_loops(const CpuFeatures& features, ArithmeticLoops& loops) {
  if (features.avx2) {
    loops.f32 = {kSums * 8 * 2, multiply_add_avx2};
    loops.int8_vector = {kPairSums * 32 * 2, dot_int8_avx2};
  }
  if (features.avx2vnni) loops.int8_vector = {kSums * 32 * 2, dot_int8_avxvnni};
  if (features.avx512) loops.f32 = {kSums * 16 * 2, multiply_add_avx512};
  if (features.avx512vnni) loops.int8_vector = {kSums * 64 * 2, dot_int8_avx512};
  if (features.avx512bf16) loops.bf16 = {kSums * 32 * 2, dot_bf16_avx512};
}

}  // namespace siskin
