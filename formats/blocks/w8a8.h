// W8A8: rows of int8 under one f32 scale each, as compressed-tensors folders hold them. A row is its scale, then its codes.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace siskin {

inline void decode_w8a8_row(const std::byte* row, float* out, size_t n) {
  float scale;
  std::memcpy(&scale, row, sizeof(scale));
  for (size_t k = 0; k < n; ++k) {
    out[k] = static_cast<float>(static_cast<int8_t>(row[sizeof(scale) + k])) * scale;
  }
}

// scale = max|x| / 127, q = x / scale rounded to nearest, ties to even; NaN becomes 0.
inline void encode_w8a8_row(const float* x, std::byte* row, size_t n) {
  float largest = 0.0f;
  for (size_t k = 0; k < n; ++k) {
    if (std::fabs(x[k]) > largest) largest = std::fabs(x[k]);
  }
  const float scale = largest / 127.0f;
  const float inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
  std::memcpy(row, &scale, sizeof(scale));
  for (size_t k = 0; k < n; ++k) {
    const float q = std::nearbyint(x[k] * inverse);
    row[sizeof(scale) + k] = static_cast<std::byte>(static_cast<int8_t>(q == q ? std::clamp(q, -127.0f, 127.0f) : 0.0f));
  }
}

}  // namespace siskin
