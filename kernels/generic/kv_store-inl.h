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

inline size_t kv_scales(size_t head_dim) { return (head_dim + kQuantBlock - 1) / kQuantBlock; }

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

template <class V, class A, class Put>
inline void store_position(const KvStoreArgs& args) {
  const size_t head_dim = args.head_dim, scales = kv_scales(head_dim);
  const size_t strip = args.slot / kStripRows, row = args.slot % kStripRows;
  std::byte* k_values = args.block.k + (strip * head_dim * kStripRows + row) * Put::kBytes;
  std::byte* v_values = args.block.v + args.slot * head_dim * Put::kBytes;
  std::byte* k_scales = args.block.k + kKvPositions * head_dim + (strip * scales * kStripRows + row) * sizeof(uint16_t);
  std::byte* v_scales = args.block.v + kKvPositions * head_dim + args.slot * sizeof(uint16_t);
  for (size_t d = 0; d < head_dim; d += kQuantBlock) {
    const size_t n = head_dim - d < kQuantBlock ? head_dim - d : kQuantBlock, b = d / kQuantBlock;
    float part[2][kQuantBlock] = {};
    __builtin_memcpy(part[0], args.k + d, n * sizeof(float));
    __builtin_memcpy(part[1], args.v + d, n * sizeof(float));
    Put::template put<V, A>(part[0], n, k_values + d * kStripRows * Put::kBytes, kStripRows,
                            k_scales + b * kStripRows * sizeof(uint16_t));
    Put::template put<V, A>(part[1], n, v_values + d * Put::kBytes, 1, v_scales + b * kKvPositions * sizeof(uint16_t));
  }
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
