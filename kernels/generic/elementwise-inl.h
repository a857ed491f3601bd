// Norms, rotary positions, softmax and activations of one row, for any batch width.
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

// sum_j x[j] * w[j].
template <class A>
float sum_of_products(const float* x, const float* w, size_t n) noexcept {
  constexpr size_t width = Batch<A>::size;
  constexpr size_t chains = 4;  // fma takes 4 cycles
  Batch<A> sums[chains] = {Batch<A>(0.0f), Batch<A>(0.0f), Batch<A>(0.0f), Batch<A>(0.0f)};
  size_t chain = 0;
  for (size_t j = 0; j < n; j += width, chain = (chain + 1) % chains) {
    const size_t left = n - j < width ? n - j : width;
    sums[chain] = xsimd::fma(load_row<A>(x + j, left), load_row<A>(w + j, left), sums[chain]);
  }
  return sum_lanes<A>((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

template <class A>
void rms_norm(const siskin::RmsNormArgs& args) noexcept {
  const float mean = sum_of_products<A>(args.x, args.x, args.n) / static_cast<float>(args.n);
  const Batch<A> inverse = Batch<A>(1.0f) / xsimd::sqrt(Batch<A>(mean + args.eps));
  if (args.w == nullptr) {
    return map_row<A>(args.x, args.y, args.n, 0.0f, [&](const Batch<A>& x, size_t, size_t) { return x * inverse; });
  }
  map_row<A>(args.x, args.y, args.n, 0.0f,
             [&](const Batch<A>& x, size_t j, size_t n) { return x * inverse * load_row<A>(args.w + j, n); });
}

// sum_j f(x[j]); the lanes past the tail see `rest`, of which f must make 0.
template <class A, class F>
inline float sum_row(const float* x, size_t n, float rest, F f) {
  constexpr size_t width = Batch<A>::size;
  constexpr size_t chains = 4;  // an addition takes 3 or 4 cycles
  Batch<A> sums[chains] = {Batch<A>(0.0f), Batch<A>(0.0f), Batch<A>(0.0f), Batch<A>(0.0f)};
  size_t chain = 0, j = 0;
  for (; j + width <= n; j += width, chain = (chain + 1) % chains) sums[chain] += f(Batch<A>::load_unaligned(x + j));
  if (j < n) sums[chain] += f(load_part<A>(x + j, n - j, rest));
  return sum_lanes<A>((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

// About a mean whose own rounding is made good by the mean of what is left: rows whose mean is large beside their spread would
// lose the spread otherwise, and all of it to sum x^2 - n * mean^2. The squares' sum is that of d * (d - rest), 0 where d is.
template <class A>
void layer_norm(const siskin::LayerNormArgs& args) noexcept {
  const float n_values = static_cast<float>(args.n);
  const float row_mean = sum_row<A>(args.x, args.n, 0.0f, [](const Batch<A>& x) { return x; }) / n_values;
  const Batch<A> mean(row_mean);
  const Batch<A> rest(sum_row<A>(args.x, args.n, row_mean, [&](const Batch<A>& x) { return x - mean; }) / n_values);
  const auto square = [&](const Batch<A>& x) {
    const Batch<A> d = x - mean;
    return d * (d - rest);
  };
  const float variance = sum_row<A>(args.x, args.n, row_mean, square) / n_values;
  const Batch<A> inverse = Batch<A>(1.0f) / xsimd::sqrt(Batch<A>(variance + args.eps));
  map_row<A>(args.x, args.y, args.n, 0.0f, [&](const Batch<A>& x, size_t j, size_t n) {
    Batch<A> y = (x - mean - rest) * inverse;
    if (args.w != nullptr) y = y * load_row<A>(args.w + j, n);
    if (args.b != nullptr) y = y + load_row<A>(args.b + j, n);
    return y;
  });
}

template <class A>
float dot(const siskin::DotArgs& args) noexcept {
  return sum_of_products<A>(args.x, args.w, args.n);
}

// A vector of pairs: their first members and their second ones. A pair is a complex number a + ib.
template <class A>
struct Pairs {
  Batch<A> first, second;
};

// Where the pairs of a head lie.
template <class A>
struct HalvesOfHead {
  float* head;
  size_t pairs;
  Pairs<A> load(size_t j) const { return {Batch<A>::load_unaligned(head + j), Batch<A>::load_unaligned(head + pairs + j)}; }
  void store(size_t j, const Pairs<A>& p) const {
    p.first.store_unaligned(head + j);
    p.second.store_unaligned(head + pairs + j);
  }
  float& first(size_t j) const { return head[j]; }
  float& second(size_t j) const { return head[pairs + j]; }
};

template <class A>
struct InterleavedHead {
  using Complex = xsimd::batch<std::complex<float>, A>;
  float* head;
  size_t pairs;
  std::complex<float>* at(size_t j) const { return reinterpret_cast<std::complex<float>*>(head + 2 * j); }
  Pairs<A> load(size_t j) const {
    const Complex numbers = Complex::load_unaligned(at(j));
    return {numbers.real(), numbers.imag()};
  }
  void store(size_t j, const Pairs<A>& p) const { Complex(p.first, p.second).store_unaligned(at(j)); }
  float& first(size_t j) const { return head[2 * j]; }
  float& second(size_t j) const { return head[2 * j + 1]; }
};

// Pairs [j, j + width) times cos + i sin.
template <class A, class Head>
inline Pairs<A> rotated(const Head& head, size_t j, const float* cos, const float* sin) {
  const Pairs<A> p = head.load(j);
  const Batch<A> c = Batch<A>::load_unaligned(cos + j);
  const Batch<A> s = Batch<A>::load_unaligned(sin + j);
  return {xsimd::fms(p.first, c, p.second * s), xsimd::fma(p.first, s, p.second * c)};
}

// Whole vectors, then the rest as one more vector that ends with the head: it overlaps the one before, so it is computed from
// the values before any is stored. A head of less than a vector goes pair by pair, in the same arithmetic.
template <class A, class Head>
inline void rotate_head(const Head& head, const float* cos, const float* sin) {
  constexpr size_t width = Batch<A>::size;
  const size_t whole = head.pairs / width * width;
  if (whole == 0) {
    for (size_t j = 0; j < head.pairs; ++j) {
      const float a = head.first(j);
      const float b = head.second(j);
      head.first(j) = __builtin_fmaf(a, cos[j], -(b * sin[j]));
      head.second(j) = __builtin_fmaf(a, sin[j], b * cos[j]);
    }
    return;
  }
  const size_t last = head.pairs - width;
  const Pairs<A> rest = rotated<A>(head, last, cos, sin);
  for (size_t j = 0; j < whole; j += width) head.store(j, rotated<A>(head, j, cos, sin));
  if (whole < head.pairs) head.store(last, rest);
}

template <class A>
void rope(const siskin::RopeArgs& args) noexcept {
  for (size_t h = 0; h < args.n_heads; ++h) {
    float* head = args.x + h * args.head_dim;
    if (args.interleaved) {
      rotate_head<A>(InterleavedHead<A>{head, args.n_rot / 2}, args.cos, args.sin);
    } else {
      rotate_head<A>(HalvesOfHead<A>{head, args.n_rot / 2}, args.cos, args.sin);
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

// 2^t by a polynomial of degree 6 in t - round(t): errs by at most 1e-7 relative. Below 2^-126 it is 0; NaN stays NaN.
// REQUIRES: t <= 128 or NaN; 2^128 is infinity.
// Source: the coefficients of Cephes' exp2f (Moshier), relative error 1.7e-7 on [-0.5, 0.5].
template <class A>
inline Batch<A> exp2_up_to_128(const Batch<A>& t) {
  const Batch<A> whole = xsimd::nearbyint(t), r = t - whole;
  Batch<A> p = xsimd::fma(Batch<A>(1.535336188319500e-4f), r, Batch<A>(1.339887440266574e-3f));
  p = xsimd::fma(p, r, Batch<A>(9.618437357674640e-3f));
  p = xsimd::fma(p, r, Batch<A>(5.550332471162809e-2f));
  p = xsimd::fma(p, r, Batch<A>(2.402264791363012e-1f));
  p = xsimd::fma(p, r, Batch<A>(6.931472028550421e-1f));
  p = xsimd::fma(p, r, Batch<A>(1.0f));
  // p lies in [0.7, 1.42]: its exponent is moved by adding to it.
  const auto moved = xsimd::bitwise_cast<xsimd::batch<int32_t, A>>(p) + (xsimd::to_int(whole) << 23);
  return xsimd::select(t < Batch<A>(-126.0f), Batch<A>(0.0f), xsimd::bitwise_cast<Batch<A>>(moved));
}

constexpr float kLog2OfE = 1.44269504f;

// e^x = 2^(x * log2 e): the product's rounding adds |x| ulp/2.
template <class A>
inline Batch<A> exp_of(const Batch<A>& x) {
  const Batch<A> t = x * Batch<A>(kLog2OfE);
  return exp2_up_to_128<A>(xsimd::select(t > Batch<A>(128.0f), Batch<A>(128.0f), t));
}

// x[j] = exp(x[j] - shift) for x[j] <= shift; returns their sum.
template <class A>
inline float exp_row(float* x, size_t n, float shift) {
  Batch<A> sum(0.0f);
  map_row<A>(x, x, n, kMinusInfinity, [&](const Batch<A>& v, size_t, size_t) {
    const Batch<A> e = exp2_up_to_128<A>((v - Batch<A>(shift)) * Batch<A>(kLog2OfE));
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
    return v / (Batch<A>(1.0f) + exp_of<A>(-v)) * load_row<A>(u + j, m);
  });
}

template <class A>
void geglu(const siskin::GegluArgs& args) noexcept {
  const Batch<A> twice(-1.59576912160573f);  // -2 sqrt(2 / pi)
  const Batch<A> cubic(0.044715f);
  map_row<A>(args.g, args.y, args.n, 0.0f, [&](const Batch<A>& v, size_t j, size_t m) {
    const Batch<A> z = twice * xsimd::fma(cubic * v * v, v, v);
    return v / (Batch<A>(1.0f) + xsimd::exp(z)) * load_row<A>(args.u + j, m);
  });
}

template <class A>
void add_bias(const siskin::AddBiasArgs& args) noexcept {
  map_row<A>(args.y, args.y, args.n, 0.0f,
             [&](const Batch<A>& v, size_t j, size_t m) { return v + load_row<A>(args.bias + j, m); });
}

template <class A>
void axpy(float s, const float* x, float* y, size_t n) noexcept {
  const Batch<A> scale(s);
  map_row<A>(x, y, n, 0.0f, [&](const Batch<A>& v, size_t j, size_t m) { return xsimd::fma(scale, v, load_row<A>(y + j, m)); });
}

}  // namespace
