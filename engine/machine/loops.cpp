// Read and arithmetic loops in plain C++, and the choice among those of the architecture.
#include "engine/machine/loops.h"

#include <cstring>

namespace siskin {
namespace {

uint64_t read_portable(const std::byte* data, size_t bytes) noexcept {
  uint64_t sums[8] = {};
  for (size_t at = 0; at < bytes; at += kReadStep) {
    for (size_t word = 0; word < kReadStep / 8; word += 8) {
      for (size_t lane = 0; lane < 8; ++lane) {
        uint64_t value;
        std::memcpy(&value, data + at + (word + lane) * 8, 8);
        sums[lane] ^= value;
      }
    }
  }
  uint64_t total = 0;
  for (uint64_t sum : sums) total ^= sum;
  return total;
}

using FourFloats = float __attribute__((vector_size(16)));

float multiply_add_portable(size_t iterations) noexcept {
  FourFloats sums[8];
  for (size_t i = 0; i < 8; ++i) sums[i] = FourFloats{1, 1, 1, 1} * static_cast<float>(i + 1);
  FourFloats factor{0.999f, 0.999f, 0.999f, 0.999f};
  asm volatile("" : "+m"(factor));  // unknown to the compiler, so that no product is computed ahead
  const FourFloats known_factor = factor;
  for (size_t n = 0; n < iterations; ++n) {
    for (FourFloats& sum : sums) sum = sum * known_factor + known_factor;
  }
  float total = 0;
  for (const FourFloats& sum : sums) total += sum[0] + sum[1] + sum[2] + sum[3];
  return total;
}

}  // namespace

ReadLoop read_loop_for(std::string_view isa) {
  const ReadLoop vector = vector_read_loop(isa, cpu_features());
  return vector != nullptr ? vector : read_portable;
}

ArithmeticLoops arithmetic_loops() {
  ArithmeticLoops loops;
  loops.f32 = {8 * 4 * 2, multiply_add_portable};
  add_vector_loops(cpu_features(), loops);
  add_tile_loops(cpu_features(), loops);
  return loops;
}

}  // namespace siskin
