// Arithmetic loops on AMX tiles: four sums, two left and two right operands, as a matmul of 32 x 32 would use them.
#include <immintrin.h>

#include "engine/machine/loops.h"
#include "kernels/amx/tile_config.h"

namespace siskin {
namespace {

// The configuration belongs to the thread, so each run loads its own and releases it. The barriers keep the compiler from
// moving the stores of `config` past the instruction that reads it.
#define SISKIN_TILE_LOOP(multiply)                \
  alignas(64) int8_t operand[16][64] = {};        \
  alignas(64) float sums[16][16];                 \
  TileConfig config;                              \
  asm volatile("" : "+m"(config), "+m"(operand)); \
  _tile_loadconfig(&config);                      \
  asm volatile("" ::: "memory");                  \
  _tile_zero(0);                                  \
  _tile_zero(1);                                  \
  _tile_zero(2);                                  \
  _tile_zero(3);                                  \
  _tile_loadd(4, operand, 64);                    \
  _tile_loadd(5, operand, 64);                    \
  _tile_loadd(6, operand, 64);                    \
  _tile_loadd(7, operand, 64);                    \
  for (size_t n = 0; n < iterations; ++n) {       \
    multiply(0, 4, 6);                            \
    multiply(1, 4, 7);                            \
    multiply(2, 5, 6);                            \
    multiply(3, 5, 7);                            \
  }                                               \
  _tile_stored(0, sums, 64);                      \
  asm volatile("" : "+m"(sums)::"memory");        \
  _tile_release();                                \
  return sums[0][0]

__attribute__((target("amx-tile,amx-int8"))) float dot_int8_tiles(size_t iterations) noexcept {
  SISKIN_TILE_LOOP(_tile_dpbssd);
}

__attribute__((target("amx-tile,amx-bf16"))) float dot_bf16_tiles(size_t iterations) noexcept {
  SISKIN_TILE_LOOP(_tile_dpbf16ps);
}

#undef SISKIN_TILE_LOOP

}  // namespace

void add_tile_loops(const CpuFeatures& features, ArithmeticLoops& loops) {
  constexpr double kMultiplyAdds = 4 * 16 * 16;  // of an iteration, times the depth of a tile row
  if (features.amx_int8) loops.int8_matrix = {kMultiplyAdds * 64 * 2, dot_int8_tiles};
  if (features.amx_bf16) loops.bf16_matrix = {kMultiplyAdds * 32 * 2, dot_bf16_tiles};
}

}  // namespace siskin
