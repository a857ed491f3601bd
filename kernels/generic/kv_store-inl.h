// A position's K and V put into a block of the KV cache: K as one row of a strip, V as it is, each in the cache's type.
// V is the instruction set's strip vector, A its xsimd architecture.
#pragma once

#include "formats/blocks/half.h"
#include "kernels/generic/batch-inl.h"
#include "kernels/generic/matmul_float-inl.h"

namespace {

using siskin::kKvPositions;
using siskin::kQuantBlock;
using siskin::KvStoreArgs;

inline size_t kv_scales(size_t width) { return (width + kQuantBlock - 1) / kQuantBlock; }

// What a type makes of up to 32 values: put() writes `n` of them `step` apart, and Q8_0 a scale.
struct PutF32 {
  template <class V, class A>
  static void put(const float* x, size_t n, std::byte* values, size_t step, std::byte*) {
    for (size_t i = 0; i < n; ++i) __builtin_memcpy(values + i * step * sizeof(float), x + i, sizeof(float));
  }
  static constexpr size_t kBytes = sizeof(float);
};

inline void put_halves(const uint16_t* halves, size_t n, std::byte* values, size_t step) {
  for (size_t i = 0; i < n; ++i) __builtin_memcpy(values + i * step * sizeof(uint16_t), halves + i, sizeof(uint16_t));
}

struct PutF16 {
  template <class V, class A>
  static void put(const float* x, size_t n, std::byte* values, size_t step, std::byte*) {
    uint16_t halves[kQuantBlock];
    for (size_t i = 0; i < kQuantBlock; i += kStripRows) V::to_f16(x + i, halves + i);
    put_halves(halves, n, values, step);
  }
  static constexpr size_t kBytes = sizeof(uint16_t);
};

struct PutBf16 {
  template <class V, class A>
  static void put(const float* x, size_t n, std::byte* values, size_t step, std::byte*) {
    uint16_t halves[kQuantBlock];
    for (size_t i = 0; i < kQuantBlock; ++i) halves[i] = siskin::bf16_from_f32(x[i]);
    put_halves(halves, n, values, step);
  }
  static constexpr size_t kBytes = sizeof(uint16_t);
};

struct PutQ8 {
  template <class V, class A>
  static void put(const float* x, size_t n, std::byte* values, size_t step, std::byte* scale) {
    constexpr size_t width = Batch<A>::size;
    Batch<A> best(0.0f);
    for (size_t k = 0; k < kQuantBlock; k += width) best = larger_of<A>(xsimd::abs(Batch<A>::load_unaligned(x + k)), best);
    const float largest = max_lanes<A>(best);
    const float scales[kStripRows] = {largest / 127.0f};
    uint16_t halves[kStripRows];
    V::to_f16(scales, halves);
    __builtin_memcpy(scale, halves, sizeof(uint16_t));
    const Batch<A> inverse(halves[0] > 0 ? 127.0f / largest : 0.0f);
    int32_t rounded[kQuantBlock];
    for (size_t k = 0; k < kQuantBlock; k += width) {
      xsimd::to_int(xsimd::nearbyint(Batch<A>::load_unaligned(x + k) * inverse)).store_unaligned(rounded + k);
    }
    for (size_t i = 0; i < n; ++i) values[i * step] = static_cast<std::byte>(rounded[i]);
  }
  static constexpr size_t kBytes = 1;
};

// x in pieces of up to 32 values, `step` apart; a piece's scale lies `scale_step` behind the one before.
template <class V, class A, class Put>
inline void put_row(const float* x, size_t width, std::byte* values, size_t step, std::byte* scales, size_t scale_step) {
  for (size_t d = 0; d < width; d += kQuantBlock) {
    const size_t n = width - d < kQuantBlock ? width - d : kQuantBlock;
    float part[kQuantBlock] = {};
    __builtin_memcpy(part, x + d, n * sizeof(float));
    Put::template put<V, A>(part, n, values + d * step * Put::kBytes, step,
                            scales + d / kQuantBlock * scale_step * sizeof(uint16_t));
  }
}

// As a row of [32 positions][width].
template <class V, class A, class Put>
inline void store_row_major(const float* x, size_t width, std::byte* block, size_t slot) {
  put_row<V, A, Put>(x, width, block + slot * width * Put::kBytes, 1, block + kKvPositions * width + slot * sizeof(uint16_t),
                     kKvPositions);
}

// As a row of a strip.
template <class V, class A, class Put>
inline void store_in_strip(const float* x, size_t width, std::byte* block, size_t slot) {
  const size_t strip = slot / kStripRows, row = slot % kStripRows;
  std::byte* scales = block + kKvPositions * width + (strip * kv_scales(width) * kStripRows + row) * sizeof(uint16_t);
  put_row<V, A, Put>(x, width, block + (strip * width * kStripRows + row) * Put::kBytes, kStripRows, scales, kStripRows);
}

template <class V, class A, class Put>
inline void store_position(const KvStoreArgs& args) {
  if (args.block.v == nullptr) return store_row_major<V, A, Put>(args.k, args.key_dim, args.block.k, args.slot);
  store_in_strip<V, A, Put>(args.k, args.key_dim, args.block.k, args.slot);
  store_row_major<V, A, Put>(args.v, args.value_dim, args.block.v, args.slot);
}

template <class V, class A>
void kv_store(const KvStoreArgs& args) noexcept {
  switch (args.type) {
    case siskin::DType::F32:
      return store_position<V, A, PutF32>(args);
    case siskin::DType::BF16:
      return store_position<V, A, PutBf16>(args);
    case siskin::DType::Q8_0:
      return store_position<V, A, PutQ8>(args);
    default:
      return store_position<V, A, PutF16>(args);
  }
}

}  // namespace
