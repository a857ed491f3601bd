// Overflow-checked arithmetic for every size that comes from a file or a flag.
#pragma once

#include <cstddef>
#include <optional>

namespace siskin {

inline std::optional<size_t> checked_mul(size_t a, size_t b) {
  size_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

inline std::optional<size_t> checked_add(size_t a, size_t b) {
  size_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

// The smallest multiple of `unit` that is >= value. REQUIRES: unit > 0.
inline std::optional<size_t> checked_round_up(size_t value, size_t unit) {
  const auto sum = checked_add(value, unit - 1);
  if (!sum) return std::nullopt;
  return *sum - *sum % unit;
}

}  // namespace siskin
