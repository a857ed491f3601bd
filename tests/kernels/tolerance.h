// How far a kernel may be from the same equation in f64. Each bound is derived from the unit roundoff u = 2^-24 and the number
// of operations; loosening one needs a reason. (Higham, "Accuracy and Stability of Numerical Algorithms", 3.1: a sum of k
// products in any order errs by at most k*u/(1 - k*u) * sum|w*x|.)
#pragma once

#include <cmath>
#include <cstddef>

namespace siskin::test {

inline constexpr double kUnit = 0x1p-24;      // unit roundoff of f32
inline constexpr double kTiniest = 0x1p-126;  // results below it may be flushed

// sum_k w*x in f32, any order, with or without fused multiplies.
inline double dot_tolerance(size_t k, double sum_abs) { return static_cast<double>(k + 1) * kUnit * sum_abs * 1.001; }

// sum_b fma(dw*dx, int, .): one rounding of the scale and one per block; sum_abs = sum_b |dw*dx*int|.
inline double block_dot_tolerance(size_t n_blocks, double sum_abs) { return dot_tolerance(n_blocks + 1, sum_abs); }

// x * w / sqrt(mean + eps): the sum of n squares (all positive) errs by n*u, its root by half of that; then the division, the
// root itself (a reciprocal root refined to 2 ulp is allowed) and two products.
inline double rms_norm_tolerance(size_t n, double y) { return (0.5 * static_cast<double>(n) + 8.0) * kUnit * std::fabs(y); }

// (x - m) * w / s + b, s = sqrt(mean((x - m)^2) + eps). A first mean errs by n roundings of a sum of |x|; the mean of what is
// left about it by n roundings of a sum of that, as does every centred value beside its own two roundings; their root mean
// square, and with it s, by as much at most (the triangle inequality) and as rms_norm's.
inline double layer_norm_tolerance(size_t n, double mean_abs, double spread_abs, double centred, double s, double w, double b) {
  const double first_error = static_cast<double>(n + 1) * kUnit * mean_abs * 1.001;
  const double mean_error = static_cast<double>(n + 3) * kUnit * (spread_abs + first_error) * 1.001;
  const double scaled = std::fabs(w / s), y = scaled * std::fabs(centred);
  return scaled * (mean_error + 2.0 * kUnit * std::fabs(centred)) + y * (mean_error / s) * 1.001 + rms_norm_tolerance(n, y) +
         kUnit * 1.001 * (y + std::fabs(b));
}

// a*c - b*s: two products and a sum.
inline double rope_tolerance(double ac, double bs) { return 2.0 * kUnit * (std::fabs(ac) + std::fabs(bs)) * 1.001; }

// An exp of an f32 argument t errs by 4 ulp of its own (vector implementations) plus |t|*u, because t was itself rounded.
inline double exp_relative(double t) { return (8.0 + std::fabs(t)) * kUnit; }

// exp(x - max) / sum: the exp's error, twice (the quotient holds one above and one below), n roundings of the sum, the
// quotient.
inline double softmax_tolerance(size_t n, double range, double y) {
  return (2.0 * exp_relative(range) + static_cast<double>(n + 4) * kUnit) * y + kTiniest;
}

// g / (1 + exp(-g)) * u.
inline double swiglu_tolerance(double g, double u, double y) {
  return (exp_relative(g) + 6.0 * kUnit) * std::fabs(y) + kTiniest * (1.0 + std::fabs(g * u));
}

// g / (1 + exp(t)) * u, t = -2 sqrt(2/pi) (g + 0.044715 g^3): t is rounded by its five operations before exp sees it.
inline double geglu_tolerance(double g, double u, double t, double y) {
  return (exp_relative(6.0 * t) + 6.0 * kUnit) * std::fabs(y) + kTiniest * (1.0 + std::fabs(g * u));
}

// y + s*x.
inline double axpy_tolerance(double y, double sx) { return 2.0 * kUnit * (std::fabs(y) + std::fabs(sx)) * 1.001; }

// sum_p w_p V_p: every score errs by `score_error`, so each softmax weight by the factor exp(2 * score_error) and its exp's own
// error; then n products, n sums, and a rescaling per block, in numerator and denominator. sum_abs = sum_p w_p |V_p|.
inline double attention_tolerance(size_t n, double score_error, double range, double sum_abs) {
  return (std::expm1(2.0 * score_error) + 2.0 * exp_relative(range) + (2.0 * static_cast<double>(n) + 16.0) * kUnit) * sum_abs +
         kTiniest;
}

// The same with weights rounded to bf16 behind an exp that errs by 2^-18: by 2^-9 each, above and below the quotient.
inline double attention_bf16_tolerance(size_t n, double score_error, double range, double sum_abs) {
  constexpr double kRounding = 0x1p-9 + 0x1p-18;
  return attention_tolerance(n, score_error, range, sum_abs) + 2.0 * kRounding * (1.0 + 2.0 * kRounding) * sum_abs;
}

}  // namespace siskin::test
