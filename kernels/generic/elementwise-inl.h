// Norm, rotary positions, softmax and activations of one row, for any batch width.
#pragma once

#include <complex>
#include <limits>

#include "kernels/generic/batch-inl.h"
#include "kernels/kernels.h"

namespace {

// One pass of `f(x) -> y` over a row, with the tail in the same arithmetic. The lanes past the tail see `rest`.
template <class A, class F>
inline void map_row(const float* x, float* y, size_t n, float rest, F f) {
  constexpr size_t width = Batch<A>::size;
  size_t j = 0;
  for (; j + width <= n; j += width) f(Batch<A>::load_unaligned(x + j), j, width).store_unaligned(y + j);
  if (j < n) store_part<A>(y + j, f(load_part<A>(x + j, n - j, rest), j, n - j), n - j);
}

template <class A>
inline Batch<A> load_row(const float* x, size_t n) {
  return n == Batch<A>::size ? Batch<A>::load_unaligned(x) : load_part<A>(x, n, 0.0f);
}

template <class A>
inline void store_row(float* y, const Batch<A>& a, size_t n) {
  if (n == Batch<A>::size) return a.store_unaligned(y);
  store_part<A>(y, a, n);
}

template <class A>
void rms_norm(const siskin::RmsNormArgs& args) noexcept {
  constexpr size_t width = Batch<A>::size;
  constexpr size_t chains = 4;  // fma takes 4 cycles
  Batch<A> sums[chains] = {Batch<A>(0.0f), Batch<A>(0.0f), Batch<A>(0.0f), Batch<A>(0.0f)};
  size_t chain = 0;
  for (size_t j = 0; j < args.n; j += width, chain = (chain + 1) % chains) {
    const Batch<A> x = load_row<A>(args.x + j, args.n - j < width ? args.n - j : width);
    sums[chain] = xsimd::fma(x, x, sums[chain]);
  }
  const float mean = sum_lanes<A>((sums[0] + sums[1]) + (sums[2] + sums[3])) / static_cast<float>(args.n);
  const Batch<A> inverse = Batch<A>(1.0f) / xsimd::sqrt(Batch<A>(mean + args.eps));
  map_row<A>(args.x, args.y, args.n, 0.0f,
             [&](const Batch<A>& x, size_t j, size_t n) { return x * inverse * load_row<A>(args.w + j, n); });
}

// A pair is a complex number a + ib times cos + i sin.
template <class A>
inline void rotate(const Batch<A>& a, const Batch<A>& b, const Batch<A>& cos, const Batch<A>& sin, Batch<A>& first,
                   Batch<A>& second) {
  first = xsimd::fms(a, cos, b * sin);
  second = xsimd::fma(a, sin, b * cos);
}

template <class A>
inline void rotate_halves(float* head, size_t pairs, const float* cos, const float* sin) {
  constexpr size_t width = Batch<A>::size;
  for (size_t j = 0; j < pairs; j += width) {
    const size_t n = pairs - j < width ? pairs - j : width;
    Batch<A> first, second;
    rotate<A>(load_row<A>(head + j, n), load_row<A>(head + pairs + j, n), load_row<A>(cos + j, n), load_row<A>(sin + j, n),
              first, second);
    store_row<A>(head + j, first, n);
    store_row<A>(head + pairs + j, second, n);
  }
}

template <class A>
inline void rotate_interleaved(float* head, size_t pairs, const float* cos, const float* sin) {
  using Complex = xsimd::batch<std::complex<float>, A>;
  constexpr size_t width = Batch<A>::size;
  auto* numbers = reinterpret_cast<std::complex<float>*>(head);
  for (size_t j = 0; j < pairs; j += width) {
    const size_t n = pairs - j < width ? pairs - j : width;
    std::complex<float> part[width];
    if (n < width) __builtin_memcpy(static_cast<void*>(part), head + 2 * j, n * 2 * sizeof(float));
    const Complex x = Complex::load_unaligned(n < width ? part : numbers + j);
    Batch<A> first, second;
    rotate<A>(x.real(), x.imag(), load_row<A>(cos + j, n), load_row<A>(sin + j, n), first, second);
    Complex(first, second).store_unaligned(n < width ? part : numbers + j);
    if (n < width) __builtin_memcpy(head + 2 * j, static_cast<const void*>(part), n * 2 * sizeof(float));
  }
}

template <class A>
void rope(const siskin::RopeArgs& args) noexcept {
  for (size_t h = 0; h < args.n_heads; ++h) {
    float* head = args.x + h * args.head_dim;
    if (args.interleaved) {
      rotate_interleaved<A>(head, args.n_rot / 2, args.cos, args.sin);
    } else {
      rotate_halves<A>(head, args.n_rot / 2, args.cos, args.sin);
    }
  }
}

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

template <class A>
inline float row_max(const float* x, size_t n) {
  constexpr size_t width = Batch<A>::size;
  Batch<A> best(kMinusInfinity);
  size_t j = 0;
  for (; j + width <= n; j += width) best = larger_of<A>(Batch<A>::load_unaligned(x + j), best);
  if (j < n) best = larger_of<A>(load_part<A>(x + j, n - j, kMinusInfinity), best);
  return max_lanes<A>(best);
}

// x[j] = exp(x[j] - shift); returns their sum.
template <class A>
inline float exp_row(float* x, size_t n, float shift) {
  Batch<A> sum(0.0f);
  map_row<A>(x, x, n, kMinusInfinity, [&](const Batch<A>& v, size_t, size_t) {
    const Batch<A> e = xsimd::exp(v - Batch<A>(shift));
    sum += e;
    return e;
  });
  return sum_lanes<A>(sum);
}

template <class A>
void softmax(float* x, size_t n) noexcept {
  const Batch<A> inverse(1.0f / exp_row<A>(x, n, row_max<A>(x, n)));
  map_row<A>(x, x, n, 0.0f, [&](const Batch<A>& v, size_t, size_t) { return v * inverse; });
}

template <class A>
void swiglu(const float* g, const float* u, float* y, size_t n) noexcept {
  map_row<A>(g, y, n, 0.0f, [&](const Batch<A>& v, size_t j, size_t m) {
    return v / (Batch<A>(1.0f) + xsimd::exp(-v)) * load_row<A>(u + j, m);
  });
}

template <class A>
void axpy(float s, const float* x, float* y, size_t n) noexcept {
  const Batch<A> scale(s);
  map_row<A>(x, y, n, 0.0f, [&](const Batch<A>& v, size_t j, size_t m) { return xsimd::fma(scale, v, load_row<A>(y + j, m)); });
}

}  // namespace
