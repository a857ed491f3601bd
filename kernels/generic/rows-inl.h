// One row at a time: the embedding lookup, and activations rounded to int8.
// V is the instruction set's strip vector, A its xsimd architecture.
#pragma once

#include <utility>

#include "kernels/generic/batch-inl.h"
#include "kernels/generic/matmul_float-inl.h"
#include "kernels/generic/matmul_fp8-inl.h"
#include "kernels/generic/matmul_int8-inl.h"

namespace {

using siskin::DType;
using siskin::GetRowArgs;

// A row's weights lie kStripRows apart: 16 columns are gathered, then widened at once.
template <class V>
inline void get_row_f16(const GetRowArgs& args, const std::byte* strip, size_t lane) {
  for (size_t k = 0; k < args.w.cols; k += 16) {
    const size_t n = args.w.cols - k < 16 ? args.w.cols - k : 16;
    alignas(64) std::byte halves[32] = {};
    for (size_t i = 0; i < n; ++i) __builtin_memcpy(halves + i * 2, strip + ((k + i) * kStripRows + lane) * 2, 2);
    V::store(args.out + k, V::load_f16(halves), n);
  }
}

inline void get_row_f32(const GetRowArgs& args, const std::byte* strip, size_t lane) {
  for (size_t k = 0; k < args.w.cols; ++k) __builtin_memcpy(args.out + k, strip + (k * kStripRows + lane) * 4, 4);
}

inline void get_row_bf16(const GetRowArgs& args, const std::byte* strip, size_t lane) {
  for (size_t k = 0; k < args.w.cols; ++k) {
    uint16_t half;
    __builtin_memcpy(&half, strip + (k / 2 * 32 + lane * 2 + k % 2) * 2, 2);
    const uint32_t bits = static_cast<uint32_t>(half) << 16;
    __builtin_memcpy(args.out + k, &bits, 4);
  }
}

// All 16 rows of a group are unpacked for one: codes, scales and minima come the way the matmuls have them.
template <class V, class W>
[[gnu::noinline]] void get_row_codes(const GetRowArgs& args, const std::byte* strip, size_t lane) {
  constexpr size_t half_columns = kQuantBlock / 2;
  const std::byte* block = strip + kStripHead<W>;
  float* out = args.out;
  for (size_t k = 0; k < args.w.cols; k += W::kColumns, block += W::kBlockBytes) {
    for (size_t group = 0; group < W::kColumns / kQuantBlock; ++group) {
      typename V::I w[8];
      W::template codes<V>(block, group, w);
      uint8_t codes[8][64];
      static_assert(sizeof(codes) == sizeof(w));
      __builtin_memcpy(codes, w, sizeof(codes));
      for (size_t half = 0; half < 2; ++half, out += half_columns) {
        float scales[kStripRows];
        float minima[kStripRows] = {};
        if constexpr (W::kRowScale) {
          __builtin_memcpy(scales, strip, sizeof(scales));
        } else {
          V::store(scales, W::template scale<V>(block, group, half), kStripRows);
        }
        if constexpr (W::kMins) V::store(minima, W::template min<V>(block, group, half), kStripRows);
        for (size_t i = 0; i < half_columns; ++i) {
          const int q = codes[half * 4 + i / 4][lane * 4 + i % 4] - W::kOffset;
          out[i] = static_cast<float>(q) * scales[lane];
          if constexpr (W::kMins) out[i] -= minima[lane];
        }
      }
    }
  }
}

template <class V>
inline void get_row_fp8(const GetRowArgs& args, const std::byte* block, size_t lane) {
  for (size_t k = 0; k < args.w.cols; block += kFp8BlockBytes) {
    const typename V::F scales = fp8_scales<V>(block);
    for (const size_t end = k + kFp8Columns; k < end; ++k) {
      float rows[kStripRows];
      const std::byte* pair = block + kFp8HeadBytes + k % kFp8Columns / 2 * kFp8PairBytes;
      V::store(rows, V::mul(V::load_fp8(pair, k % 2), scales), kStripRows);
      args.out[k] = rows[lane];
    }
  }
}

template <class V>
void get_row(const GetRowArgs& args) noexcept {
  const std::byte* strip = args.w.data + args.row / kStripRows * args.w.strip_bytes;
  const size_t lane = args.row % kStripRows;
  switch (args.w.type) {
    case DType::F32:
      return get_row_f32(args, strip, lane);
    case DType::F16:
      return get_row_f16<V>(args, strip, lane);
    case DType::BF16:
      return get_row_bf16(args, strip, lane);
    case DType::FP8:
      return get_row_fp8<V>(args, strip, lane);
#define SISKIN_INT8_TYPE(Type, name) \
  case DType::Type:                  \
    return get_row_codes<V, Weights##Type>(args, strip, lane);
#include "kernels/int8_types.inc"
#undef SISKIN_INT8_TYPE
    default:
      return;  // no other type is packed
  }
}

template <size_t kLanes>
using Ints [[gnu::vector_size(kLanes * sizeof(int32_t))]] = int32_t;

template <size_t kFirst, class V, size_t... kLane>
inline auto lanes_from(const V& a, std::index_sequence<kLane...>) {
  return __builtin_shufflevector(a, a, (kFirst + kLane)...);
}

// All lanes as one by f(vector, vector) of any number of lanes, which may take them in any order.
template <size_t kLanes, class F>
[[gnu::always_inline]] inline int32_t fold_lanes(const Ints<kLanes>& a, F&& f) {
  constexpr auto half = std::make_index_sequence<kLanes / 2>();
  if constexpr (kLanes > 4) {
    return fold_lanes<kLanes / 2>(f(lanes_from<0>(a, half), lanes_from<kLanes / 2>(a, half)), f);
  } else {
    return f(f(a[0], a[1]), f(a[2], a[3]));
  }
}

// Of lanes that are not negative, whose bits order as they do.
template <class A>
inline float max_magnitude(const Batch<A>& a) {
  Ints<Batch<A>::size> bits;
  __builtin_memcpy(&bits, &a, sizeof(bits));
  return __builtin_bit_cast(float,
                            fold_lanes<Batch<A>::size>(bits, [](auto one, auto other) { return one > other ? one : other; }));
}

template <class A>
void quantize_q8(const float* x, size_t n, int8_t* q, float* scale, int32_t* sum, int32_t* half) noexcept {
  constexpr size_t width = Batch<A>::size, half_block = kQuantBlock / 2;
  for (size_t b = 0; b < n / kQuantBlock; ++b, x += kQuantBlock, q += kQuantBlock) {
    Batch<A> best(0.0f);
    SISKIN_UNROLL
    for (size_t k = 0; k < kQuantBlock; k += width) best = larger_of<A>(xsimd::abs(Batch<A>::load_unaligned(x + k)), best);
    const float largest = max_magnitude<A>(best);
    scale[b] = largest / 127.0f;
    const Batch<A> inverse(largest > 0.0f ? 127.0f / largest : 0.0f);
    alignas(64) int32_t rounded[kQuantBlock];
    SISKIN_UNROLL
    for (size_t k = 0; k < kQuantBlock; k += width) {
      xsimd::to_int(xsimd::nearbyint(Batch<A>::load_unaligned(x + k) * inverse)).store_aligned(rounded + k);
    }
    int32_t sums[2];
    SISKIN_UNROLL
    for (size_t i = 0; i < 2; ++i) {
      Ints<half_block> values;
      __builtin_memcpy(&values, rounded + i * half_block, sizeof(values));
      typedef int8_t Codes __attribute__((vector_size(half_block)));
      const Codes codes = __builtin_convertvector(values, Codes);
      __builtin_memcpy(q + i * half_block, &codes, sizeof(codes));
      sums[i] = fold_lanes<half_block>(values, [](auto one, auto other) { return one + other; });
    }
    half[b] = sums[0];
    sum[b] = sums[0] + sums[1];
  }
}

}  // namespace
