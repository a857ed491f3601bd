// Random rows straight in a tensor type's bytes: fast, and the same for any number of threads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "formats/dtype.h"

namespace siskin {

// splitmix64 (Steele, Lea, Flood 2014): one addition and a few shifts per 8 bytes, and any seed starts a stream of its own.
class RandomBits {
 public:
  explicit RandomBits(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

 private:
  uint64_t state_;
};

// The stream of one row: it depends on nothing but these three.
uint64_t row_seed(uint64_t seed, uint64_t tensor, uint64_t row);

// Fills a row of `cols` weights of standard deviation about `sigma` and mean about 0: random codes under slightly varying block
// scales for types of blocks (no f32 is ever rounded), uniform values for float types. REQUIRES: a type that can be written,
// cols % block_elems == 0.
void fill_random_row(DType type, size_t cols, float sigma, uint64_t row_seed, std::byte* out);

// Sets weight 0 of a row to `value`, re-rounding the block that it lies in.
void set_first_weight(DType type, float value, std::byte* row);

}  // namespace siskin
