// Batches of floats of any width and the parts of them that end a row: what the bodies on xsimd share.
#pragma once

#include <cstddef>
#include <xsimd/xsimd.hpp>

namespace {

template <class A>
using Batch = xsimd::batch<float, A>;

// The first n of x, and `rest` in the lanes after them.
template <class A>
inline Batch<A> load_part(const float* x, size_t n, float rest) {
  float lanes[Batch<A>::size];
  for (size_t i = 0; i < Batch<A>::size; ++i) lanes[i] = i < n ? x[i] : rest;
  return Batch<A>::load_unaligned(lanes);
}

template <class A>
inline void store_part(float* y, const Batch<A>& a, size_t n) {
  float lanes[Batch<A>::size];
  a.store_unaligned(lanes);
  for (size_t i = 0; i < n; ++i) y[i] = lanes[i];
}

// Lanes folded in order, so that every compiler gives the same sum.
template <class A>
inline float sum_lanes(const Batch<A>& a) {
  float lanes[Batch<A>::size];
  a.store_unaligned(lanes);
  for (size_t half = Batch<A>::size / 2; half > 0; half /= 2) {
    for (size_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

// Larger of the two in each lane; a NaN of `a` is passed over. (xsimd::max differs between instruction sets there.)
template <class A>
inline Batch<A> larger_of(const Batch<A>& a, const Batch<A>& best) {
  return xsimd::select(a > best, a, best);
}

template <class A>
inline float max_lanes(const Batch<A>& a) {
  float lanes[Batch<A>::size];
  a.store_unaligned(lanes);
  for (size_t half = Batch<A>::size / 2; half > 0; half /= 2) {
    for (size_t i = 0; i < half; ++i) lanes[i] = lanes[i] > lanes[i + half] ? lanes[i] : lanes[i + half];
  }
  return lanes[0];
}

}  // namespace
