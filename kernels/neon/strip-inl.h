// NEON's strip vector (ARMv8.2 with dotprod and fp16): the 16 rows of a strip at one column are four q registers.
// What the bodies in generic/matmul_*-inl.h ask of it is said in avx512/strip-inl.h.
#pragma once

#include <arm_neon.h>

#include "kernels/generic/matmul_float-inl.h"
#include "kernels/generic/gemm_int8-inl.h"

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
  static constexpr size_t kGemmStrips = 1;
  template <size_t kScales>
  static constexpr size_t kGemmRows = 4;
  static constexpr size_t kMatvecStrips = 4;
  static constexpr size_t kChunkColumns = 128;  // of a float matmul
  static constexpr size_t kAttentionRows = 4;
  static constexpr size_t kScoreRows = 2;       // x 2 strips of scores, of four registers each; more rows go strip by strip
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
  static F mul(F a, F b) {
    SISKIN_UNROLL
    for (size_t p = 0; p < 4; ++p) a.part[p] = vmulq_f32(a.part[p], b.part[p]);
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
  static F fnma(F a, X b, F c) {
    SISKIN_UNROLL
    for (size_t p = 0; p < 4; ++p) c.part[p] = vfmsq_n_f32(c.part[p], a.part[p], b);
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

  static F load_fp8(const std::byte* bytes, size_t j) {
    F f;
    SISKIN_UNROLL
    for (size_t half = 0; half < 2; ++half) {
      const int16x8_t pairs = vreinterpretq_s16_u8(load_bytes(bytes + half * 16));
      const int16x8_t top = vshrq_n_s16(j == 0 ? vshlq_n_s16(pairs, 8) : pairs, 1);
      const float16x8_t halves = vreinterpretq_f16_s16(vandq_s16(top, vdupq_n_s16(static_cast<int16_t>(0xbf80))));
      f.part[half * 2] = vcvt_f32_f16(vget_low_f16(halves));
      f.part[half * 2 + 1] = vcvt_f32_f16(vget_high_f16(halves));
    }
    return f;
  }

  static F load_bf16(const std::byte* bytes) {
    F f;
    SISKIN_UNROLL
    for (size_t p = 0; p < 4; ++p) {
      const uint16x4_t halves = vreinterpret_u16_u8(vld1_u8(reinterpret_cast<const uint8_t*>(bytes) + p * 8));
      f.part[p] = vreinterpretq_f32_u32(vshll_n_u16(halves, 16));
    }
    return f;
  }
  static F load_i8(const std::byte* bytes) {
    const int8x16_t q = vreinterpretq_s8_u8(load_bytes(bytes));
    const int16x8_t low = vmovl_s8(vget_low_s8(q)), high = vmovl_s8(vget_high_s8(q));
    return to_float({{vmovl_s16(vget_low_s16(low)), vmovl_s16(vget_high_s16(low)), vmovl_s16(vget_low_s16(high)),
                      vmovl_s16(vget_high_s16(high))}});
  }
  static X broadcast_f16(const std::byte* p) {
    __fp16 half;
    __builtin_memcpy(&half, p, sizeof half);
    return static_cast<float>(half);
  }
  static F scaled(F a, const F& by) {
    SISKIN_UNROLL
    for (size_t p = 0; p < 4; ++p) a.part[p] = vmulq_f32(a.part[p], by.part[p]);
    return a;
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

  static I load_codes(const std::byte* bytes) {
    I codes;
    SISKIN_UNROLL
    for (size_t p = 0; p < 4; ++p) codes.part[p] = vreinterpretq_s32_u8(load_bytes(bytes + p * 16));
    return codes;
  }
  static I load_once(const std::byte* p) { return load_codes(p); }
  static void store_codes(std::byte* bytes, I a) {
    SISKIN_UNROLL
    for (size_t p = 0; p < 4; ++p) vst1q_s32(reinterpret_cast<int32_t*>(bytes) + p * 4, a.part[p]);
  }
  template <class Op>
  [[gnu::always_inline]] static inline I each(I a, Op op) {
    SISKIN_UNROLL
    for (size_t p = 0; p < 4; ++p) a.part[p] = vreinterpretq_s32_u8(op(vreinterpretq_u8_s32(a.part[p]), p));
    return a;
  }
  static I and_bytes(I a, uint8_t mask) {
    return each(a, [mask](uint8x16_t v, size_t) { return vandq_u8(v, vdupq_n_u8(mask)); });
  }
  static I bit_or(I a, I b) {
    return each(a, [&b](uint8x16_t v, size_t p) { return vorrq_u8(v, vreinterpretq_u8_s32(b.part[p])); });
  }
  static I shift_left(I a, size_t n) {
    return each(a, [n](uint8x16_t v, size_t) { return v << static_cast<uint8_t>(n); });
  }
  static I shift_right(I a, size_t n) {
    return each(a, [n](uint8x16_t v, size_t) { return v >> static_cast<uint8_t>(n); });
  }

  static I lookup(I indices, const uint8_t (&table)[16]) {
    const uint8x16_t levels = vld1q_u8(table);
    return each(indices, [levels](uint8x16_t v, size_t) { return vqtbl1q_u8(levels, v); });
  }
  template <class Bytes>
  static F widen(Bytes bytes) {
    const auto rows = reinterpret_cast<int8x16_t>(bytes);
    const int16x8_t low = vmovl_s8(vget_low_s8(rows)), high = vmovl_s8(vget_high_s8(rows));
    return to_float({{vmovl_s16(vget_low_s16(low)), vmovl_s16(vget_high_s16(low)), vmovl_s16(vget_low_s16(high)),
                      vmovl_s16(vget_high_s16(high))}});
  }
  static F half_powers(const std::byte* bytes) {
    const uint8x16_t rows = load_bytes(bytes);
    const uint16x8_t low = vmovl_u8(vget_low_u8(rows)), high = vmovl_u8(vget_high_u8(rows));
    const uint32x4_t e[4] = {vmovl_u16(vget_low_u16(low)), vmovl_u16(vget_high_u16(low)), vmovl_u16(vget_low_u16(high)),
                             vmovl_u16(vget_high_u16(high))};
    F f;
    SISKIN_UNROLL
    for (size_t p = 0; p < 4; ++p) {
      const uint32x4_t normal = vshlq_n_u32(vsubq_u32(e[p], vdupq_n_u32(1)), 23);
      const uint32x4_t small = vshlq_u32(vdupq_n_u32(0x00200000), vreinterpretq_s32_u32(e[p]));
      f.part[p] = vreinterpretq_f32_u32(vbslq_u32(vcltq_u32(e[p], vdupq_n_u32(2)), small, normal));
    }
    return f;
  }

  // sdot multiplies signed by signed, so codes lose their offset first.
  template <class W, class Rows, size_t kRows>
  [[gnu::always_inline]] static inline void dot(const std::byte* block, size_t group, const Rows& x, size_t b,
                                                I (&dots)[W::kScales][kRows]) {
    SISKIN_UNROLL
    for (size_t half = 0; half < W::kScales; ++half) {
      SISKIN_UNROLL
      for (size_t r = 0; r < kRows; ++r) {
        SISKIN_UNROLL
        for (size_t p = 0; p < 4; ++p) dots[half][r].part[p] = vdupq_n_s32(0);
      }
    }
    add_steps<W, 0>(block, group, x, b, dots);
  }

  template <class W>
  using UnpackedOf = Unpacked<W::kOffset, W::kMostCode, W::kScales, W::kMins, W::kRowScale>;

  // The pieces of 4 columns from kPiece on; a template because the lane is part of the instruction.
  template <class W, size_t kPiece, class Rows, size_t kRows>
  [[gnu::always_inline]] static inline void add_steps(const std::byte* block, size_t group, const Rows& x, size_t b,
                                                      I (&dots)[W::kScales][kRows]) {
    if constexpr (kPiece < 8) {
      const I w = each(W::template code<StripNeon>(block, group, kPiece % 4, kPiece / 4),
                       [](uint8x16_t v, size_t) { return vsubq_u8(v, vdupq_n_u8(W::kOffset)); });
      SISKIN_UNROLL
      for (size_t r = 0; r < kRows; ++r) {
        I& sum = dots[kPiece * W::kScales / 8][r];
        const int8x16_t values = vld1q_s8(x.q(r, b) + kPiece / 4 * 16);
        SISKIN_UNROLL
        for (size_t p = 0; p < 4; ++p) {
          sum.part[p] = vdotq_laneq_s32(sum.part[p], vreinterpretq_s8_s32(w.part[p]), values, kPiece % 4);
        }
      }
      add_steps<W, kPiece + 1>(block, group, x, b, dots);
    }
  }
};

}  // namespace
