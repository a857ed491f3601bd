// What a block of the KV cache holds, read by the layout that kernels.h writes down.
#pragma once

#include <cstring>

#include "formats/blocks/half.h"
#include "kernels/kernels.h"

namespace siskin::test {

inline constexpr DType kKvTypes[] = {DType::F16, DType::F32, DType::BF16, DType::Q8_0};

inline uint16_t half_at(const std::byte* p) {
  uint16_t half;
  std::memcpy(&half, p, sizeof half);
  return half;
}

// The value at `index` of a block, with the scale at `scale` among those behind the values.
inline float kv_value(DType type, const std::byte* block, size_t index, size_t scale, size_t width) {
  if (type == DType::F16) return f32_from_f16(half_at(block + index * 2));
  if (type == DType::BF16) return f32_from_bf16(half_at(block + index * 2));
  if (type == DType::Q8_0) {
    return static_cast<float>(static_cast<int8_t>(block[index])) * f32_from_f16(half_at(block + 32 * width + scale * 2));
  }
  float value;
  std::memcpy(&value, block + index * 4, sizeof value);
  return value;
}

inline size_t k_index(size_t slot, size_t d, size_t width) { return slot / 16 * width * 16 + d * 16 + slot % 16; }
inline size_t k_scale_index(size_t slot, size_t d, size_t width) {
  return (slot / 16 * ((width + 31) / 32) + d / 32) * 16 + slot % 16;
}
inline size_t v_index(size_t slot, size_t d, size_t width) { return slot * width + d; }
inline size_t v_scale_index(size_t slot, size_t d, size_t) { return d / 32 * 32 + slot; }

}  // namespace siskin::test
