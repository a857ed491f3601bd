// Strips of weights to bf16: 32 columns of a strip become one tile, [16 pairs of k][16 rows][2], which is what a tile multiply
// and vdpbf16ps both take, and what r16k2 already is. Scales are multiplied in here, once per weight, and nowhere later.
//
// L is the lanes of an instruction set: F holds 16 floats (one column of a strip), I 16 words of 32 bits. `round_pair` gives 16
// words, bf16(low) below bf16(high), rounded to nearest even, denormals to zero; `code` is byte j of every word as a float; and
// what the policies of weights_int8-inl.h want.
#pragma once

#include <cstddef>
#include <cstdint>

#include "formats/packed/layout.h"
#include "kernels/generic/matmul_fp8-inl.h"
#include "kernels/generic/unroll-inl.h"
#include "kernels/generic/weights_blocks-inl.h"
#include "kernels/generic/weights_super-inl.h"

namespace {

constexpr size_t kTileColumns = 32;
constexpr size_t kTileBytes = 1024;
constexpr size_t kTileLine = 64;  // 16 rows x 2 columns

// An unpacker writes the tile of columns [k, k + 32) of a strip; columns past the matrix are zero. kInPlace: a tile whose 32
// columns all exist lies in the strip as it is.

// F32 and F16, kBytes each.
template <class L, size_t kBytes>
struct UnpackFloats {
  static constexpr bool kInPlace = false;
  static typename L::F load(const std::byte* column) {
    if constexpr (kBytes == 4) return L::load_f32(column);
    return L::load_f16(column);
  }
  static void run(const siskin::PackedMatrix& w, const std::byte* strip, size_t k, std::byte* out) {
    constexpr size_t column = siskin::kStripRows * kBytes;
    for (size_t pair = 0; pair < 16; ++pair, k += 2, out += kTileLine) {
      const std::byte* at = strip + k * column;
      const typename L::F low = k < w.cols ? load(at) : L::zero();
      const typename L::F high = k + 1 < w.cols ? load(at + column) : L::zero();
      L::store(out, L::round_pair(low, high));
    }
  }
};

template <class L>
struct UnpackBf16 {
  static constexpr bool kInPlace = true;
  static void run(const siskin::PackedMatrix& w, const std::byte* strip, size_t k, std::byte* out) {
    for (size_t pair = 0; pair < 16; ++pair, k += 2, out += kTileLine) {
      if (k < w.cols) {
        __builtin_memcpy(out, strip + k / 2 * kTileLine, kTileLine);
      } else {
        __builtin_memset(out, 0, kTileLine);
      }
    }
  }
};

template <class L>
struct UnpackFp8 {
  static constexpr bool kInPlace = false;
  static void run(const siskin::PackedMatrix&, const std::byte* strip, size_t k, std::byte* out) {
    const std::byte* block = strip + k / kFp8Columns * kFp8BlockBytes;
    const typename L::F scales = L::mul(L::load_f32(block), L::broadcast(256.0f));
    const std::byte* pairs = block + kFp8HeadBytes + k % kFp8Columns / 2 * kFp8PairBytes;
    for (size_t pair = 0; pair < 16; ++pair, pairs += kFp8PairBytes, out += kTileLine) {
      const typename L::F low = L::mul(L::load_fp8(pairs, 0), scales);
      L::store(out, L::round_pair(low, L::mul(L::load_fp8(pairs, 1), scales)));
    }
  }
};

// Types that are multiplied by int8 activations, by their policy W (generic/weights_int8-inl.h): one group of 32 columns.
template <class L, class W>
struct UnpackCodes {
  static constexpr bool kInPlace = false;
  static void run(const siskin::PackedMatrix&, const std::byte* strip, size_t k, std::byte* out) {
    const std::byte* block = strip + kStripHead<W> + k / W::kColumns * W::kBlockBytes;
    const size_t group = k % W::kColumns / kTileColumns;
    SISKIN_UNROLL
    for (size_t part = 0; part < 2; ++part) {
      const size_t half = W::kScales == 2 ? part : 0;
      typename L::F scale;
      if constexpr (W::kRowScale) {
        scale = L::load_f32(strip);
      } else {
        scale = W::template scale<L>(block, group, half);
      }
      // code * scale + offset in one rounding: the offset is exact, so that is the rounding of (code - kOffset) * scale.
      const typename L::F offset = L::mul(scale, L::broadcast(static_cast<float>(-W::kOffset)));
      typename L::F min = L::zero();
      if constexpr (W::kMins) min = W::template min<L>(block, group, half);
      const auto weight = [&](typename L::I codes, size_t j) {
        const typename L::F w = L::fma(L::code(codes, j), scale, offset);
        if constexpr (W::kMins) return L::sub(w, min);
        return w;
      };
      SISKIN_UNROLL
      for (size_t step = 0; step < 4; ++step) {
        const typename L::I codes = W::template code<L>(block, group, step, part);
        SISKIN_UNROLL
        for (size_t j = 0; j < 4; j += 2) {
          L::store(out + (part * 8 + step * 2 + j / 2) * kTileLine, L::round_pair(weight(codes, j), weight(codes, j + 1)));
        }
      }
    }
  }
};

// Calls run(Unpacker()) for the matrix's type.
template <class L, class Run>
inline void with_unpacker(const siskin::PackedMatrix& w, Run&& run) {
  switch (w.type) {
    case siskin::DType::F32:
      return run(UnpackFloats<L, 4>());
    case siskin::DType::F16:
      return run(UnpackFloats<L, 2>());
    case siskin::DType::BF16:
      return run(UnpackBf16<L>());
    case siskin::DType::FP8:
      return run(UnpackFp8<L>());
#define SISKIN_INT8_TYPE(Type, name) \
  case siskin::DType::Type:          \
    return run(UnpackCodes<L, Weights##Type>());
#include "kernels/int8_types.inc"
#undef SISKIN_INT8_TYPE
    default:
      return;  // no other type is packed
  }
}

}  // namespace
