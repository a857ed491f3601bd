// The tile layer in AMX instructions (amx/tiles_plain-inl.h is the same in plain C++).
//
// Inline assembly and not the compiler's intrinsics: GCC 12's are macros that take tile numbers as literals only, and say
// nothing about the memory that they read and write, so that stores to an operand may be moved past the instruction that loads
// it, or dropped. The configuration is loaded by every kernel call and released at its end: it belongs to the thread, a
// provider may have loaded another one, and tiles in use make every context switch save 8 KB more. Against a task of some 100
// us both cost nothing.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/amx/tile_config.h"

namespace {

constexpr siskin::TileConfig kAllTilesFull;

class TilesAmx {
 public:
  void configure() { asm volatile("ldtilecfg %0" ::"m"(kAllTilesFull)); }
  void release() { asm volatile("tilerelease"); }

  template <size_t kTile>
  void zero() {
    asm volatile("tilezero %%tmm%c0" ::"i"(kTile));
  }
  template <size_t kTile>
  void load(const void* p, size_t stride) {
    asm volatile("tileloadd (%1,%2,1), %%tmm%c0" ::"i"(kTile), "r"(p), "r"(stride) : "memory");
  }
  template <size_t kTile>
  void store(void* p, size_t stride) const {
    asm volatile("tilestored %%tmm%c0, (%1,%2,1)" ::"i"(kTile), "r"(p), "r"(stride) : "memory");
  }
  template <size_t kC, size_t kA, size_t kB>
  void dot_bf16() {
    static_assert(kC != kA && kC != kB && kA != kB, "the instruction faults on a tile used twice");
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kC), "i"(kA), "i"(kB));
  }
};

}  // namespace
