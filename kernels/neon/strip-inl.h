// NEON's strip vector (ARMv8.2 with dotprod and fp16): the 16 rows of a strip at one column are four q registers.
// What the bodies in generic/matmul_*-inl.h ask of it is said in avx512/strip-inl.h.
#pragma once

#include <arm_neon.h>

#include "kernels/generic/matmul_float-inl.h"
#include "kernels/generic/matmul_int8-inl.h"

namespace {

struct StripNeon {
  struct F {
    float32x4_t part[4];  // rows 4p .. 4p+3
  };
  struct I {
    int32x4_t part[4];
  };
  using X = float;

  // 32 registers: 1 strip x 6 rows of four sums each, 4 weights, 2 activations; int8: 4 rows of four sums, 4 weights, 4
  // activations.
  static constexpr size_t kFloatStrips = 1;
  static constexpr size_t kFloatRows = 6;
  static constexpr size_t kInt8Rows = 4;
  static constexpr size_t kMatvecStrips = 4;
  static constexpr size_t kChunkColumns = 128;  // of a float matmul
  static constexpr size_t kAttentionRows = 2;   // x 2 strips of scores, of four registers each
  static constexpr size_t kOutputVectors = 4;   // of an attention output tile
  static constexpr size_t kPrefetchBytes = 1024;

  static F zero() {
    const float32x4_t z = vdupq_n_f32(0);
    return {{z, z, z, z}};
  }
  static X broadcast(const float* x) { return *x; }
  static F mul(F a, X b) {
    SISKIN_UNROLL
    for (size_t p = 0; p < 4; ++p) a.part[p] = vmulq_n_f32(a.part[p], b);
    return a;
  }
  static F fma(F a, X b, F c) {
    SISKIN_UNROLL
    for (size_t p = 0; p < 4; ++p) c.part[p] = vfmaq_n_f32(c.part[p], a.part[p], b);
    return c;
  }
  static F fma(F a, F b, F c) {
    SISKIN_UNROLL
    for (size_t p = 0; p < 4; ++p) c.part[p] = vfmaq_f32(c.part[p], a.part[p], b.part[p]);
    return c;
  }
  static F to_float(I a) {
    return {{vcvtq_f32_s32(a.part[0]), vcvtq_f32_s32(a.part[1]), vcvtq_f32_s32(a.part[2]), vcvtq_f32_s32(a.part[3])}};
  }
  static F load_f16(const std::byte* bytes) {
    F f;
    SISKIN_UNROLL
    for (size_t p = 0; p < 4; ++p) {
      f.part[p] = vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(reinterpret_cast<const uint8_t*>(bytes) + p * 8)));
    }
    return f;
  }
  static uint8x16_t load_bytes(const std::byte* p) { return vld1q_u8(reinterpret_cast<const uint8_t*>(p)); }

  static F load(WeightsF32, const std::byte* bytes, size_t) {
    F f;
    SISKIN_UNROLL
    for (size_t p = 0; p < 4; ++p) f.part[p] = vreinterpretq_f32_u8(load_bytes(bytes + p * 16));
    return f;
  }
  static F load(WeightsF16, const std::byte* bytes, size_t j) { return load_f16(bytes + j * 32); }
  static F load(WeightsBf16, const std::byte* bytes, size_t j) {
    F f;
    SISKIN_UNROLL
    for (size_t p = 0; p < 4; ++p) {
      const uint32x4_t pairs = vreinterpretq_u32_u8(load_bytes(bytes + p * 16));
      f.part[p] = vreinterpretq_f32_u32(j == 0 ? vshlq_n_u32(pairs, 16) : vandq_u32(pairs, vdupq_n_u32(0xffff0000u)));
    }
    return f;
  }

  static F load_rows(const float* y, size_t n) {
    float rows[16] = {};
    __builtin_memcpy(rows, y, n * sizeof(float));
    F f;
    SISKIN_UNROLL
    for (size_t p = 0; p < 4; ++p) f.part[p] = vld1q_f32(rows + p * 4);
    return f;
  }
  static void store(float* y, F a, size_t n) {
    float rows[16];
    SISKIN_UNROLL
    for (size_t p = 0; p < 4; ++p) vst1q_f32(rows + p * 4, a.part[p]);
    __builtin_memcpy(y, rows, n * sizeof(float));
  }

  static void to_f16(const float* x, uint16_t* halves) {
    for (size_t p = 0; p < 16; p += 4) vst1_u16(halves + p, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(x + p))));
  }

  // sdot multiplies signed by signed, so weights lose their offset first: q + 128 by its top bit, q + 8 by a subtraction.
  template <class W, class Rows, size_t kRows>
  [[gnu::always_inline]] static inline void dot(W type, const std::byte* block, const Rows& x, size_t b, I (&dots)[kRows]) {
    SISKIN_UNROLL
    for (size_t r = 0; r < kRows; ++r) {
      SISKIN_UNROLL
      for (size_t p = 0; p < 4; ++p) dots[r].part[p] = vdupq_n_s32(0);
    }
    add_groups<0>(type, block, x, b, dots);
  }

  // Groups of 4 columns from kGroup on; a template because the lane is part of the instruction.
  template <size_t kGroup, class W, class Rows, size_t kRows>
  [[gnu::always_inline]] static inline void add_groups(W type, const std::byte* block, const Rows& x, size_t b,
                                                       I (&dots)[kRows]) {
    if constexpr (kGroup < 8) {
      int8x16_t w[4];
      SISKIN_UNROLL
      for (size_t p = 0; p < 4; ++p) w[p] = weights(type, block, kGroup, p);
      SISKIN_UNROLL
      for (size_t r = 0; r < kRows; ++r) {
        const int8x16_t groups = vld1q_s8(x.q(r, b) + kGroup / 4 * 16);
        SISKIN_UNROLL
        for (size_t p = 0; p < 4; ++p) dots[r].part[p] = vdotq_laneq_s32(dots[r].part[p], w[p], groups, kGroup % 4);
      }
      add_groups<kGroup + 1>(type, block, x, b, dots);
    }
  }

  static int8x16_t weights(WeightsQ8, const std::byte* block, size_t group, size_t part) {
    return vreinterpretq_s8_u8(veorq_u8(load_bytes(block + group * 64 + part * 16), vdupq_n_u8(0x80)));
  }
  static int8x16_t weights(WeightsQ4, const std::byte* block, size_t group, size_t part) {
    const uint8x16_t nibbles = load_bytes(block + group % 4 * 64 + part * 16);
    const uint8x16_t values = group < 4 ? vandq_u8(nibbles, vdupq_n_u8(0x0f)) : vshrq_n_u8(nibbles, 4);
    return vsubq_s8(vreinterpretq_s8_u8(values), vdupq_n_s8(8));
  }
};

}  // namespace
