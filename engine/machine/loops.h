// The loops that a probe times: reading memory with an instruction set's widest loads, and arithmetic in registers alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "kernels/cpu.h"

namespace siskin {

inline constexpr size_t kReadStep = 512;  // bytes of one iteration of every read loop, all streams together

// Reads [data, data + bytes) once and returns a value that depends on all of it. REQUIRES: bytes % kReadStep == 0, 64-byte
// aligned.
using ReadLoop = uint64_t (*)(const std::byte* data, size_t bytes) noexcept;

// One unit's arithmetic: `run` executes `iterations` of `ops` operations each (a multiply-add is two). Null: the unit is
// absent.
struct ArithmeticLoop {
  double ops = 0;
  float (*run)(size_t iterations) noexcept = nullptr;
};
struct ArithmeticLoops {
  ArithmeticLoop f32, bf16, int8_vector, int8_matrix, bf16_matrix;
};

// The unit that a table's bf16 matmuls run on; null: it has none.
constexpr ArithmeticLoop ArithmeticLoops::*bf16_unit(std::string_view isa) {
  if (isa == "amx") return &ArithmeticLoops::bf16_matrix;
  return isa == "avx512bf16" ? &ArithmeticLoops::bf16 : nullptr;
}

// The read loop for a name of select.h's list; what this CPU lacks, and "ref", read by plain C++.
ReadLoop read_loop_for(std::string_view isa);
// The best loop for each unit that this CPU has, whichever table is active.
ArithmeticLoops arithmetic_loops();

// By architecture (loops_x86.cpp, loops_arm.cpp): null where there is nothing better than plain C++.
ReadLoop vector_read_loop(std::string_view isa, const CpuFeatures& features);
void add_vector_loops(const CpuFeatures& features, ArithmeticLoops& loops);
void add_tile_loops(const CpuFeatures& features, ArithmeticLoops& loops);  // loops_amx.cpp

}  // namespace siskin
