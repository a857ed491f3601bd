// How the K types choose a group's scale: several roundings are tried, and the one with the least weighted error wins.
// Source: the methods of make_qx_quants, make_q3_quants and make_qkx2_quants of ggml; the sums run in f32 in its order, so that
// the same candidate wins.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

namespace siskin {

// Groups whose largest magnitude is below this are zero.
inline constexpr float kZeroGroup = 1e-15f;

// To nearest, ties to even, within [low, high]; NaN becomes low.
inline int round_within(float value, int low, int high) {
  if (value >= static_cast<float>(high)) return high;
  return value > static_cast<float>(low) ? static_cast<int>(std::nearbyint(value)) : low;
}

// The first value of the largest magnitude, with its sign.
inline float signed_largest_of(const float* x, size_t n) {
  float largest = 0.0f;
  for (size_t k = 0; k < n; ++k) {
    if (std::fabs(x[k]) > std::fabs(largest)) largest = x[k];
  }
  return largest;
}

// The least-squares scale for fixed levels is sum(w x l) / sum(w l l); what it leaves of the error falls with scale * sum(w x
// l).
struct ScaleFit {
  float xl = 0.0f;
  float ll = 0.0f;

  void add(float w, float x, int level) {
    const auto l = static_cast<float>(level);
    xl += w * x * l;
    ll += w * l * l;
  }
  float scale() const { return ll > 0.0f ? xl / ll : 0.0f; }
};

// x ~ scale * (level - half), level in [0, 2 * half); weights x^2. Tries 19 scales around largest / -half.
inline float search_scale(const float* x, size_t n, int half, uint8_t* levels) {
  const float largest = signed_largest_of(x, n);
  for (size_t k = 0; k < n; ++k) levels[k] = 0;
  if (!(std::fabs(largest) >= kZeroGroup)) return 0.0f;
  float best_scale = 0.0f;
  float best = 0.0f;
  const auto attempt = [&](int step, bool first) {
    const float inverse = -(static_cast<float>(half) + 0.1f * static_cast<float>(step)) / largest;
    ScaleFit fit;
    for (size_t k = 0; k < n; ++k) fit.add(x[k] * x[k], x[k], round_within(inverse * x[k], -half, half - 1));
    if (!first && !(fit.ll > 0.0f && fit.xl * fit.xl > best * fit.ll)) return;
    for (size_t k = 0; k < n; ++k) levels[k] = static_cast<uint8_t>(half + round_within(inverse * x[k], -half, half - 1));
    best_scale = fit.scale();
    best = best_scale * fit.xl;
  };
  attempt(0, true);
  for (int step = -9; step <= 9; ++step) {
    if (step != 0) attempt(step, false);
  }
  return best_scale;
}

// The same form, by coordinate descent: each level in turn moves to where the rest would have it, for at most five rounds.
inline float descend_scale(const float* x, size_t n, int half, uint8_t* levels) {
  const float largest = signed_largest_of(x, n);
  for (size_t k = 0; k < n; ++k) levels[k] = 0;
  if (!(std::fabs(largest) >= kZeroGroup)) return 0.0f;
  const float inverse = static_cast<float>(-half) / largest;
  ScaleFit fit;
  const auto level_of = [&](size_t k) { return static_cast<int>(levels[k]) - half; };
  for (size_t k = 0; k < n; ++k) {
    levels[k] = static_cast<uint8_t>(half + round_within(inverse * x[k], -half, half - 1));
    fit.add(x[k] * x[k], x[k], level_of(k));
  }
  bool moved = true;
  for (int round = 0; round < 5 && moved; ++round) {
    moved = false;
    for (size_t k = 0; k < n; ++k) {
      const float w = x[k] * x[k];
      const auto old = static_cast<float>(level_of(k));
      ScaleFit others{fit.xl - w * x[k] * old, fit.ll};
      if (!(others.xl > 0.0f)) continue;
      others.ll -= w * old * old;
      const int level = round_within(x[k] * others.ll / others.xl, -half, half - 1);
      if (level == level_of(k)) continue;
      others.add(w, x[k], level);
      if (!(others.ll > 0.0f && others.xl * others.xl * fit.ll > fit.xl * fit.xl * others.ll)) continue;
      levels[k] = static_cast<uint8_t>(half + level);
      fit = others;
      moved = true;
    }
  }
  return fit.scale();
}

struct ScaleAndMinimum {
  float scale = 0.0f;
  float minimum = 0.0f;  // subtracted: never negative
};

// How many scales search_affine tries, and by what it compares them.
struct AffineSearch {
  int most;          // levels are 0..most
  float first_step;  // the first scale is range / (most + first_step), the next 0.1 further
  int last_step;
  bool absolute;  // |error| instead of its square
};

// x ~ scale * level - minimum. REQUIRES: n <= 32.
inline ScaleAndMinimum search_affine(const float* x, const float* weights, size_t n, const AffineSearch& search,
                                     uint8_t* levels) {
  float low = x[0], high = x[0], sum_w = weights[0], sum_x = sum_w * x[0];
  for (size_t k = 1; k < n; ++k) {
    if (x[k] < low) low = x[k];
    if (x[k] > high) high = x[k];
    sum_w += weights[k];
    sum_x += weights[k] * x[k];
  }
  if (low > 0.0f) low = 0.0f;
  for (size_t k = 0; k < n; ++k) levels[k] = 0;
  if (!(high > low)) return {0.0f, -low};

  uint8_t trial[32];
  float bottom = low;  // the candidates start from the best minimum so far, as in ggml
  const auto round_all = [&](float inverse) {
    for (size_t k = 0; k < n; ++k) trial[k] = static_cast<uint8_t>(round_within(inverse * (x[k] - bottom), 0, search.most));
  };
  const auto error_of = [&](float scale, float offset) {
    float sum = 0.0f;
    for (size_t k = 0; k < n; ++k) {
      const float difference = scale * static_cast<float>(trial[k]) + offset - x[k];
      sum += weights[k] * (search.absolute ? std::fabs(difference) : difference * difference);
    }
    return sum;
  };
  const auto keep_trial = [&] {
    for (size_t k = 0; k < n; ++k) levels[k] = trial[k];
  };
  const auto most = static_cast<float>(search.most);
  const float inverse = most / (high - low);
  float best_scale = 1.0f / inverse;
  round_all(inverse);
  keep_trial();
  float best_error = error_of(best_scale, low);
  for (int step = 0; step <= search.last_step; ++step) {
    round_all((search.first_step + 0.1f * static_cast<float>(step) + most) / (high - bottom));
    float l = 0.0f, ll = 0.0f, xl = 0.0f;
    for (size_t k = 0; k < n; ++k) {
      const auto level = static_cast<float>(trial[k]);
      l += weights[k] * level;
      ll += weights[k] * level * level;
      xl += weights[k] * level * x[k];
    }
    const float determinant = sum_w * ll - l * l;
    if (!(determinant > 0.0f)) continue;
    float scale = (sum_w * xl - sum_x * l) / determinant;
    float offset = (ll * sum_x - l * xl) / determinant;
    if (offset > 0.0f) {
      offset = 0.0f;
      scale = xl / ll;
    }
    const float error = error_of(scale, offset);
    if (!(error < best_error)) continue;
    keep_trial();
    best_error = error;
    best_scale = scale;
    bottom = offset;
  }
  return {best_scale, -bottom};
}

}  // namespace siskin
