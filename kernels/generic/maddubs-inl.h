// The dot of a group by vpmaddubsw, for sets without VNNI. It multiplies unsigned by signed bytes and adds two products in 16
// bits, saturating. Codes below 64: as many steps of 2 products as 16 bits hold are added before they are widened (4 if the
// codes are below 32), less kOffset times the activations' own sum. Codes around 128: |code - 128| times the activation with
// its sign, at most 2 * 128 * 127 = 32512, widened at once.
//
// V gives all_of (16 rows of one int32), add_products (16-bit sums of neighbours) and add_pairs (those to 32 bits).
#pragma once

#include "kernels/generic/unroll-inl.h"

namespace {

template <class W>
constexpr bool kCodesAround128 = W::kOffset == 128;
template <class W>
constexpr size_t kStepsAtOnce = kCodesAround128<W> ? 1 : (W::kMostCode < 32 ? 4 : 2);

// 16 columns. The loops stay loops: GCC would sum the unrolled terms as a tree and spill every one of them.
template <class V, class W, class Rows, size_t kRows>
[[gnu::always_inline]] inline void add_maddubs(const std::byte* block, size_t group, const Rows& x, size_t b, size_t part,
                                               typename V::I (&dots)[kRows]) {
  SISKIN_NO_UNROLL
  for (size_t begin = 0; begin < 4; begin += kStepsAtOnce<W>) {
    typename V::I sums[kRows];
    SISKIN_UNROLL
    for (size_t r = 0; r < kRows; ++r) sums[r] = V::all_of(0);
    SISKIN_NO_UNROLL
    for (size_t step = begin; step < begin + kStepsAtOnce<W>; ++step) {
      V::template add_products<W>(W::template code<V>(block, group, step, part), x, b, part * 16 + step * 4, sums);
    }
    SISKIN_UNROLL
    for (size_t r = 0; r < kRows; ++r) dots[r] = V::add_pairs(dots[r], sums[r]);
  }
}

template <class V, class W, class Rows, size_t kRows>
[[gnu::always_inline]] inline void maddubs_dot(const std::byte* block, size_t group, const Rows& x, size_t b,
                                               typename V::I (&dots)[W::kScales][kRows]) {
  static_assert(kCodesAround128<W> || kStepsAtOnce<W> * 2 * W::kMostCode * 127 < 32768);
  SISKIN_UNROLL
  for (size_t half = 0; half < W::kScales; ++half) {
    SISKIN_UNROLL
    for (size_t r = 0; r < kRows; ++r) {
      dots[half][r] = V::all_of(kCodesAround128<W> ? 0 : x.template start<W>(r, b, half));
    }
  }
  add_maddubs<V, W>(block, group, x, b, 0, dots[0]);
  add_maddubs<V, W>(block, group, x, b, 1, dots[W::kScales - 1]);
}

}  // namespace
