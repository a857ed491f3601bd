// The tile layer in plain C++: the eight tile registers and the instructions on them, with the instructions' rounding.
// Both implementations hold 16 rows of 64 bytes in every tile. Template arguments are tile numbers.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "formats/blocks/half.h"

namespace {

class TilesPlain {
 public:
  void configure() {}
  void release() {}

  template <size_t kTile>
  void zero() {
    __builtin_memset(tile_[kTile], 0, sizeof(tile_[kTile]));
  }
  // Row r comes from p + r * stride bytes.
  template <size_t kTile>
  void load(const void* p, size_t stride) {
    for (size_t r = 0; r < 16; ++r) __builtin_memcpy(tile_[kTile][r], static_cast<const std::byte*>(p) + r * stride, 64);
  }
  template <size_t kTile>
  void store(void* p, size_t stride) const {
    for (size_t r = 0; r < 16; ++r) __builtin_memcpy(static_cast<std::byte*>(p) + r * stride, tile_[kTile][r], 64);
  }

  // TDPBF16PS C, A, B: C[m][n] += sum over pairs k of A[m][2k] * B[k][2n] + A[m][2k+1] * B[k][2n+1]. The even and the odd
  // products are summed apart by fma, k ascending, from zero; the two sums are added, then that to C. Always to nearest even;
  // denormal operands and results are zero. (Intel's Software Developer's Manual, volume 2, TDPBF16PS, "Operation".)
  template <size_t kC, size_t kA, size_t kB>
  void dot_bf16() {
    float b[16][2][16];  // even and odd elements apart, so that a compiler sees 16 chains side by side
    for (size_t k = 0; k < 16; ++k) {
      for (size_t n = 0; n < 16; ++n) {
        for (size_t odd = 0; odd < 2; ++odd) b[k][odd][n] = element(tile_[kB][k], 2 * n + odd);
      }
    }
    for (size_t m = 0; m < 16; ++m) {
      float sums[2][16] = {};
      for (size_t k = 0; k < 16; ++k) {
        for (size_t odd = 0; odd < 2; ++odd) {
          const float a = element(tile_[kA][m], 2 * k + odd);
          for (size_t n = 0; n < 16; ++n) sums[odd][n] = flushed(std::fma(a, b[k][odd][n], sums[odd][n]));
        }
      }
      float c[16];
      __builtin_memcpy(c, tile_[kC][m], sizeof(c));
      for (size_t n = 0; n < 16; ++n) c[n] = flushed(flushed(c[n]) + flushed(sums[0][n] + sums[1][n]));
      __builtin_memcpy(tile_[kC][m], c, sizeof(c));
    }
  }

 private:
  static float flushed(float x) {
    uint32_t bits;
    __builtin_memcpy(&bits, &x, sizeof(bits));
    if ((bits & 0x7f800000u) == 0) bits &= 0x80000000u;
    __builtin_memcpy(&x, &bits, sizeof(bits));
    return x;
  }
  static float element(const std::byte* row, size_t i) {
    uint16_t half;
    __builtin_memcpy(&half, row + 2 * i, sizeof(half));
    return flushed(siskin::f32_from_bf16(half));
  }

  alignas(64) std::byte tile_[8][16][64];
};

}  // namespace
