// Read and arithmetic loops for arm64: NEON is in every CPU; dot products and matrix instructions are reached only where it has
// them.
#include <arm_neon.h>

#include "engine/machine/loops.h"

namespace siskin {
namespace {

// Four streams, a quarter of the range each: a core's prefetchers follow several, and one alone may leave bandwidth unused.
constexpr size_t kStreams = 4;
constexpr size_t kStreamStep = kReadStep / kStreams;

uint64_t read_neon(const std::byte* data, size_t bytes) noexcept {
  const size_t quarter = bytes / kStreams;
  uint64x2_t sums[kStreams * 2];
  for (uint64x2_t& sum : sums) sum = vdupq_n_u64(0);
  for (size_t at = 0; at < quarter; at += kStreamStep) {
#pragma GCC unroll 32
    for (size_t i = 0; i < kStreams * 8; ++i) {
      const std::byte* from = data + i / 8 * quarter + at + i % 8 * 16;
      sums[i / 4] = veorq_u64(sums[i / 4], vld1q_u64(reinterpret_cast<const uint64_t*>(from)));
    }
  }
  for (size_t i = 1; i < kStreams * 2; ++i) sums[0] = veorq_u64(sums[0], sums[i]);
  return vgetq_lane_u64(sums[0], 0) ^ vgetq_lane_u64(sums[0], 1);
}

// Hides a register's value, so that no iteration is folded away.
#define SISKIN_KEEP(register_value) asm volatile("" : "+w"(register_value))

constexpr size_t kSums = 16;  // four units of latency four

float multiply_add_neon(size_t iterations) noexcept {
  float32x4_t sums[kSums];
  for (size_t i = 0; i < kSums; ++i) sums[i] = vdupq_n_f32(static_cast<float>(i + 1));
  float32x4_t factor = vdupq_n_f32(0.999f);
  SISKIN_KEEP(factor);
  for (size_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 16
    for (size_t i = 0; i < kSums; ++i) sums[i] = vfmaq_f32(factor, sums[i], factor);
  }
  for (size_t i = 1; i < kSums; ++i) sums[0] = vaddq_f32(sums[0], sums[i]);
  return vgetq_lane_f32(sums[0], 0);
}

__attribute__((target("arch=armv8.2-a+dotprod"))) float dot_int8_neon(size_t iterations) noexcept {
  int32x4_t sums[kSums];
  for (int32x4_t& sum : sums) sum = vdupq_n_s32(0);
  int8x16_t ones = vdupq_n_s8(1);
  SISKIN_KEEP(ones);
  for (size_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 16
    for (size_t i = 0; i < kSums; ++i) sums[i] = vdotq_s32(sums[i], ones, ones);
  }
  for (size_t i = 1; i < kSums; ++i) sums[0] = vaddq_s32(sums[0], sums[i]);
  return static_cast<float>(vgetq_lane_s32(sums[0], 0));
}

__attribute__((target("arch=armv8.2-a+i8mm"))) float matrix_int8_neon(size_t iterations) noexcept {
  int32x4_t sums[kSums];
  for (int32x4_t& sum : sums) sum = vdupq_n_s32(0);
  int8x16_t ones = vdupq_n_s8(1);
  SISKIN_KEEP(ones);
  for (size_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 16
    for (size_t i = 0; i < kSums; ++i) sums[i] = vmmlaq_s32(sums[i], ones, ones);
  }
  for (size_t i = 1; i < kSums; ++i) sums[0] = vaddq_s32(sums[0], sums[i]);
  return static_cast<float>(vgetq_lane_s32(sums[0], 0));
}

#undef SISKIN_KEEP

}  // namespace

ReadLoop vector_read_loop(std::string_view isa, const CpuFeatures& features) {
  return isa != "ref" && features.neon ? read_neon : nullptr;
}

void add_vector_loops(const CpuFeatures& features, ArithmeticLoops& loops) {
  if (features.neon) loops.f32 = {kSums * 4 * 2, multiply_add_neon};
  if (features.neon_dot) loops.int8_vector = {kSums * 16 * 2, dot_int8_neon};
  if (features.neon_i8mm) loops.int8_matrix = {kSums * 32 * 2, matrix_int8_neon};
}

void add_tile_loops(const CpuFeatures&, ArithmeticLoops&) {}  // AMX is x86's

}  // namespace siskin
