// The types that K and V are kept in, as attention reads them: 16 values widened to f32. Layout of a block: kernels.h.
// k_values: 16 positions at one column of a strip; v_values: n columns of one position, the rest zero. `Scale` is what Q8_0
// multiplies them with. V is the instruction set's strip vector.
#pragma once

#include "kernels/generic/kv_store-inl.h"

namespace {

template <size_t kValueBytes>
inline const std::byte* whole_values(const std::byte* values, size_t n, std::byte (&copy)[kStripRows * kValueBytes]) {
  if (n == kStripRows) return values;
  __builtin_memset(copy, 0, sizeof copy);
  __builtin_memcpy(copy, values, n * kValueBytes);
  return copy;
}

struct NoScale {};

// A type without scales, by how it loads 16 values.
template <class Load, size_t kValueBytes>
struct KvPlain {
  static constexpr size_t kBytes = kValueBytes;
  template <class V>
  using KScale = NoScale;

  template <class V>
  static NoScale k_scale(const std::byte*, size_t, size_t, size_t) {
    return {};
  }
  template <class V>
  static typename V::F k_values(const std::byte* values, NoScale) {
    return Load::template load<V>(values);
  }
  template <class V>
  static typename V::F v_values(const std::byte* block, size_t width, size_t slot, size_t d, size_t n) {
    std::byte copy[kStripRows * kBytes];
    return Load::template load<V>(whole_values<kBytes>(block + (slot * width + d) * kBytes, n, copy));
  }
};

struct LoadF32 {
  template <class V>
  static typename V::F load(const std::byte* p) {
    return V::load(WeightsF32{}, p, 0);
  }
};
struct LoadF16 {
  template <class V>
  static typename V::F load(const std::byte* p) {
    return V::load_f16(p);
  }
};
struct LoadBf16 {
  template <class V>
  static typename V::F load(const std::byte* p) {
    return V::load_bf16(p);
  }
};

using KvF32 = KvPlain<LoadF32, sizeof(float)>;
using KvF16 = KvPlain<LoadF16, sizeof(uint16_t)>;
using KvBf16 = KvPlain<LoadBf16, sizeof(uint16_t)>;

struct KvQ8 {
  static constexpr size_t kBytes = 1;
  template <class V>
  using KScale = typename V::F;

  template <class V>
  static typename V::F k_scale(const std::byte* block, size_t width, size_t strip, size_t b) {
    return V::load_f16(block + kKvPositions * width + (strip * kv_scales(width) + b) * kStripRows * sizeof(uint16_t));
  }
  template <class V>
  static typename V::F k_values(const std::byte* values, const typename V::F& scale) {
    return V::scaled(V::load_i8(values), scale);
  }
  template <class V>
  static typename V::F v_values(const std::byte* block, size_t width, size_t slot, size_t d, size_t n) {
    const std::byte* scale = block + kKvPositions * width + (d / kQuantBlock * kKvPositions + slot) * sizeof(uint16_t);
    std::byte copy[kStripRows];
    return V::mul(V::load_i8(whole_values<kBytes>(block + slot * width + d, n, copy)), V::broadcast_f16(scale));
  }
};

}  // namespace
