// Random: a small seeded generator whose draws are the same on every platform (the standard's distributions are not).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>

namespace siskin::selector {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  // SplitMix64 (Steele, Lea, Flood 2014).
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }

  // In (0, 1): never 0, so that its logarithm is finite.
  double uniform() { return (static_cast<double>(next() >> 11) + 0.5) * 0x1.0p-53; }

  // In [0, n). The bias of the remainder is below n / 2^64. REQUIRES: n > 0.
  size_t index(size_t n) { return static_cast<size_t>(next() % n); }

  // Time to the next arrival of a Poisson process.
  double exponential(double rate) { return -std::log(uniform()) / rate; }

  // Box-Muller; the second value of the pair is dropped, which keeps the generator's state one word.
  double normal() {
    const double radius = std::sqrt(-2.0 * std::log(uniform()));
    return radius * std::cos(2.0 * std::numbers::pi * uniform());
  }

 private:
  uint64_t state_;
};

}  // namespace siskin::selector
