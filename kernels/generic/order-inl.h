// Which values are largest, for any batch width: ties go to the lower index, NaN ranks below everything.
#pragma once

#include "kernels/generic/elementwise-inl.h"

namespace {

inline bool ranks_above(float a, float b) { return b != b ? a == a : a > b; }

// The maximum first and then where it is: two plain passes are quicker than carrying indices through one.
template <class A>
size_t argmax(const float* x, size_t n) noexcept {
  constexpr size_t width = Batch<A>::size;
  const float best = row_max<A>(x, n);
  size_t j = 0;
  while (j + width <= n && !xsimd::any(Batch<A>::load_unaligned(x + j) == Batch<A>(best))) j += width;
  for (; j < n; ++j) {
    if (x[j] == best) return j;
  }
  return 0;  // all are NaN
}

// Puts candidate j in its place among ids[0..found), dropping the last when k are held.
inline void insert_ranked(const float* x, size_t j, size_t k, size_t& found, uint32_t* ids) {
  if (found == k && !ranks_above(x[j], x[ids[k - 1]])) return;
  size_t place = found < k ? found++ : k - 1;
  for (; place > 0 && ranks_above(x[j], x[ids[place - 1]]); --place) ids[place] = ids[place - 1];
  ids[place] = static_cast<uint32_t>(j);
}

// Batches without a value above the k-th best so far are passed over; the others go one by one.
template <class A>
void top_k(const float* x, size_t n, size_t k, uint32_t* ids) noexcept {
  constexpr size_t width = Batch<A>::size;
  size_t found = 0;
  size_t j = 0;
  for (; j < k; ++j) insert_ranked(x, j, k, found, ids);
  for (; j + width <= n; j += width) {
    const float last = x[ids[k - 1]];
    if (last == last && !xsimd::any(Batch<A>::load_unaligned(x + j) > Batch<A>(last))) continue;
    for (size_t i = j; i < j + width; ++i) insert_ranked(x, i, k, found, ids);
  }
  for (; j < n; ++j) insert_ranked(x, j, k, found, ids);
}

}  // namespace
