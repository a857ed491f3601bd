// Norms, rope, softmax, swiglu, geglu, biases, dot and axpy against the same equation in f64; in place wherever the contract
// allows it.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/kernels/check.h"
#include "tests/kernels/tolerance.h"

namespace siskin::test {
namespace {

constexpr size_t kCases = 700;  // per kernel

size_t pick_size(Rng& rng, size_t n_case) { return rng.between(1, n_case % 10 == 9 ? 3000 : 90); }

std::vector<double> widened(const float* x, size_t n) { return std::vector<double>(x, x + n); }

}  // namespace

void check(const Kernel& kernel, RmsNormFn fn) {
  Rng rng(23);
  GuardedBuffer x_buffer(1 << 14), w_buffer(1 << 14), y_buffer(1 << 14);
  for (size_t n_case = 0; n_case < kCases; ++n_case) {
    const size_t n = pick_size(rng, n_case);
    const bool in_place = n_case % 2 == 0;
    auto* x = x_buffer.tail_of<float>(n);
    auto* w = w_buffer.tail_of<float>(n);
    const float spread = std::ldexp(1.0f, static_cast<int>(rng.between(0, 30)) - 20);
    for (size_t j = 0; j < n; ++j) {
      x[j] = rng.normal() * spread;
      w[j] = rng.uniform(0.5f, 1.5f);
    }
    const float eps = n_case % 3 == 0 ? 1e-5f : 1e-6f;
    const bool weighted = n_case % 4 < 3;
    const std::vector<double> x64 = widened(x, n);
    double squares = 0.0;
    for (double v : x64) squares += v * v;
    const double inverse = 1.0 / std::sqrt(squares / static_cast<double>(n) + static_cast<double>(eps));
    float* y = in_place ? x : y_buffer.tail_of<float>(n);
    const Case here(kernel, "n %zu%s%s, spread %g", n, in_place ? " in place" : "", weighted ? "" : " without weights",
                    static_cast<double>(spread));
    fn({x, weighted ? w : nullptr, y, n, eps, 0});
    for (size_t j = 0; j < n; ++j) {
      const double want = x64[j] * inverse * (weighted ? static_cast<double>(w[j]) : 1.0);
      here.near(j, static_cast<double>(y[j]), want, rms_norm_tolerance(n, want));
    }
    here.require((in_place ? x_buffer : y_buffer).canary_intact(), "wrote before its output");
  }
}

void check(const Kernel& kernel, LayerNormFn fn) {
  Rng rng(53);
  GuardedBuffer x_buffer(1 << 14), w_buffer(1 << 14), b_buffer(1 << 14), y_buffer(1 << 14);
  for (size_t n_case = 0; n_case < kCases; ++n_case) {
    const size_t n = pick_size(rng, n_case);
    const bool in_place = n_case % 2 == 0, weighted = n_case % 3 != 0, biased = n_case % 5 < 3;
    auto* x = x_buffer.tail_of<float>(n);
    auto* w = w_buffer.tail_of<float>(n);
    auto* b = b_buffer.tail_of<float>(n);
    const float spread = std::ldexp(1.0f, static_cast<int>(rng.between(0, 30)) - 20);
    const float offset = n_case % 4 == 0 ? 3000.0f * spread * rng.normal() : spread * rng.normal();
    for (size_t j = 0; j < n; ++j) {
      x[j] = rng.normal() * spread + offset;
      w[j] = rng.uniform(0.5f, 1.5f);
      b[j] = rng.normal();
    }
    const float eps = n_case % 7 == 0 ? 1e-5f : 1e-6f;
    const std::vector<double> x64 = widened(x, n);
    double mean = 0.0, mean_abs = 0.0, spread_abs = 0.0, squares = 0.0;
    for (double v : x64) {
      mean += v / static_cast<double>(n);
      mean_abs += std::fabs(v) / static_cast<double>(n);
    }
    for (double v : x64) {
      spread_abs += std::fabs(v - mean) / static_cast<double>(n);
      squares += (v - mean) * (v - mean);
    }
    const double root = std::sqrt(squares / static_cast<double>(n) + static_cast<double>(eps));
    float* y = in_place ? x : y_buffer.tail_of<float>(n);
    const Case here(kernel, "n %zu%s%s%s, spread %g about %g", n, in_place ? " in place" : "", weighted ? ", weights" : "",
                    biased ? ", bias" : "", static_cast<double>(spread), static_cast<double>(offset));
    fn({x, weighted ? w : nullptr, biased ? b : nullptr, y, n, eps, 0, 0});
    for (size_t j = 0; j < n; ++j) {
      const double weight = weighted ? static_cast<double>(w[j]) : 1.0, bias = biased ? static_cast<double>(b[j]) : 0.0;
      const double want = (x64[j] - mean) / root * weight + bias;
      here.near(j, static_cast<double>(y[j]), want,
                layer_norm_tolerance(n, mean_abs, spread_abs, x64[j] - mean, root, weight, bias));
    }
    here.require((in_place ? x_buffer : y_buffer).canary_intact(), "wrote before its output");
  }
}

void check(const Kernel& kernel, RopeFn fn) {
  Rng rng(29);
  GuardedBuffer x_buffer(1 << 16), cos_buffer(1 << 12), sin_buffer(1 << 12);
  for (size_t n_case = 0; n_case < kCases; ++n_case) {
    const size_t head_dim = 2 * rng.between(1, n_case % 10 == 9 ? 128 : 40);
    const size_t n_rot = n_case % 3 == 0 ? 2 * rng.between(1, head_dim / 2) : head_dim;
    const size_t n_heads = rng.between(1, 9);
    const bool interleaved = n_case % 2 == 0;
    auto* x = x_buffer.tail_of<float>(n_heads * head_dim);
    auto* cos = cos_buffer.tail_of<float>(n_rot / 2);
    auto* sin = sin_buffer.tail_of<float>(n_rot / 2);
    rng.fill_normal(x, n_heads * head_dim);
    for (size_t j = 0; j < n_rot / 2; ++j) {
      const float angle = rng.uniform(-3.2f, 3.2f);
      cos[j] = std::cos(angle);
      sin[j] = std::sin(angle);
    }
    const std::vector<double> x64 = widened(x, n_heads * head_dim);
    const Case here(kernel, "%zu heads of %zu, %zu rotated, %s", n_heads, head_dim, n_rot,
                    interleaved ? "interleaved" : "halves");
    fn({x, n_heads, head_dim, n_rot, cos, sin, interleaved});
    for (size_t h = 0; h < n_heads; ++h) {
      const size_t head = h * head_dim;
      for (size_t j = 0; j < n_rot / 2; ++j) {
        const size_t ia = head + (interleaved ? 2 * j : j);
        const size_t ib = head + (interleaved ? 2 * j + 1 : j + n_rot / 2);
        const double c = static_cast<double>(cos[j]);
        const double s = static_cast<double>(sin[j]);
        const double a = x64[ia];
        const double b = x64[ib];
        here.near(ia, static_cast<double>(x[ia]), a * c - b * s, rope_tolerance(a * c, b * s));
        here.near(ib, static_cast<double>(x[ib]), a * s + b * c, rope_tolerance(a * s, b * c));
      }
      for (size_t j = n_rot; j < head_dim; ++j) here.near(head + j, static_cast<double>(x[head + j]), x64[head + j], 0.0);
    }
    here.require(x_buffer.canary_intact(), "wrote before its output");
  }
}

void check(const Kernel& kernel, SoftmaxFn fn) {
  Rng rng(31);
  GuardedBuffer x_buffer(1 << 14);
  for (size_t n_case = 0; n_case < kCases; ++n_case) {
    const size_t n = pick_size(rng, n_case);
    auto* x = x_buffer.tail_of<float>(n);
    const float spread = n_case % 4 == 0 ? 30.0f : 3.0f;
    const float offset = rng.uniform(-200.0f, 200.0f);
    for (size_t j = 0; j < n; ++j) x[j] = rng.normal() * spread + offset;
    if (n_case % 5 == 0) {
      for (size_t j = 1; j < n; ++j) {
        if (rng.below(3) == 0) x[j] = -std::numeric_limits<float>::infinity();
      }
    }
    const std::vector<double> x64 = widened(x, n);
    const double largest = *std::max_element(x64.begin(), x64.end());
    double total = 0.0;
    for (double v : x64) total += std::exp(v - largest);
    const Case here(kernel, "n %zu, case %zu", n, n_case);
    fn(x, n);
    for (size_t j = 0; j < n; ++j) {
      const double want = std::exp(x64[j] - largest) / total;
      if (std::isinf(x64[j])) {
        here.require(x[j] == 0.0f, "an entry of -inf is not 0");
      } else {
        here.near(j, static_cast<double>(x[j]), want, softmax_tolerance(n, largest - x64[j], want));
      }
    }
    here.require(x_buffer.canary_intact(), "wrote before its output");
  }
}

void check(const Kernel& kernel, SwigluFn fn) {
  Rng rng(37);
  GuardedBuffer g_buffer(1 << 14), u_buffer(1 << 14), y_buffer(1 << 14);
  for (size_t n_case = 0; n_case < kCases; ++n_case) {
    const size_t n = pick_size(rng, n_case);
    auto* g = g_buffer.tail_of<float>(n);
    auto* u = u_buffer.tail_of<float>(n);
    const float spread = n_case % 4 == 0 ? 60.0f : 3.0f;  // exp(-g) overflows beyond 88
    for (size_t j = 0; j < n; ++j) {
      g[j] = rng.normal() * spread;
      u[j] = rng.normal();
    }
    const std::vector<double> g64 = widened(g, n);
    const std::vector<double> u64 = widened(u, n);
    GuardedBuffer& out = n_case % 3 == 0 ? y_buffer : n_case % 3 == 1 ? g_buffer : u_buffer;
    float* y = n_case % 3 == 0 ? y_buffer.tail_of<float>(n) : n_case % 3 == 1 ? g : u;
    const Case here(kernel, "n %zu, spread %g, y is %s", n, static_cast<double>(spread), y == g ? "g" : y == u ? "u" : "apart");
    fn(g, u, y, n);
    for (size_t j = 0; j < n; ++j) {
      const double want = g64[j] / (1.0 + std::exp(-g64[j])) * u64[j];
      here.near(j, static_cast<double>(y[j]), want, swiglu_tolerance(g64[j], u64[j], want));
    }
    here.require(out.canary_intact(), "wrote before its output");
  }
}

void check(const Kernel& kernel, GegluFn fn) {
  Rng rng(39);
  GuardedBuffer g_buffer(1 << 14), u_buffer(1 << 14), y_buffer(1 << 14);
  for (size_t n_case = 0; n_case < kCases; ++n_case) {
    const size_t n = pick_size(rng, n_case);
    auto* g = g_buffer.tail_of<float>(n);
    auto* u = u_buffer.tail_of<float>(n);
    const float spread = n_case % 4 == 0 ? 60.0f : 2.0f;  // the cube overflows exp beyond 10
    for (size_t j = 0; j < n; ++j) {
      g[j] = rng.normal() * spread;
      u[j] = rng.normal();
    }
    const std::vector<double> g64 = widened(g, n);
    const std::vector<double> u64 = widened(u, n);
    GuardedBuffer& out = n_case % 3 == 0 ? y_buffer : n_case % 3 == 1 ? g_buffer : u_buffer;
    float* y = n_case % 3 == 0 ? y_buffer.tail_of<float>(n) : n_case % 3 == 1 ? g : u;
    const Case here(kernel, "n %zu, spread %g, y is %s", n, static_cast<double>(spread), y == g ? "g" : y == u ? "u" : "apart");
    fn({g, u, y, n});
    for (size_t j = 0; j < n; ++j) {
      const double t = -2.0 * std::sqrt(2.0 / M_PI) * (g64[j] + 0.044715 * g64[j] * g64[j] * g64[j]);
      const double want = g64[j] / (1.0 + std::exp(t)) * u64[j];
      here.near(j, static_cast<double>(y[j]), want, geglu_tolerance(g64[j], u64[j], t, want));
    }
    here.require(out.canary_intact(), "wrote before its output");
  }
}

void check(const Kernel& kernel, AddBiasFn fn) {
  Rng rng(43);
  GuardedBuffer bias_buffer(1 << 14), y_buffer(1 << 14);
  for (size_t n_case = 0; n_case < kCases; ++n_case) {
    const size_t n = pick_size(rng, n_case);
    auto* bias = bias_buffer.tail_of<float>(n);
    auto* y = y_buffer.tail_of<float>(n);
    rng.fill_normal(bias, n);
    rng.fill_normal(y, n);
    const std::vector<double> y64 = widened(y, n);
    const Case here(kernel, "n %zu", n);
    fn({bias, y, n, 0});
    for (size_t j = 0; j < n; ++j) {
      const double b = static_cast<double>(bias[j]);
      here.near(j, static_cast<double>(y[j]), y64[j] + b, axpy_tolerance(y64[j], b));
    }
    here.require(y_buffer.canary_intact(), "wrote before its output");
  }
}

void check(const Kernel& kernel, DotFn fn) {
  Rng rng(47);
  GuardedBuffer x_buffer(1 << 14), w_buffer(1 << 14);
  for (size_t n_case = 0; n_case < kCases; ++n_case) {
    const size_t n = pick_size(rng, n_case);
    auto* x = x_buffer.tail_of<float>(n);
    auto* w = w_buffer.tail_of<float>(n);
    rng.fill_normal(x, n);
    rng.fill_normal(w, n);
    const Case here(kernel, "n %zu", n);
    double want = 0, sum_abs = 0;
    for (size_t j = 0; j < n; ++j) {
      want += static_cast<double>(x[j]) * static_cast<double>(w[j]);
      sum_abs += std::fabs(static_cast<double>(x[j]) * static_cast<double>(w[j]));
    }
    here.near(0, static_cast<double>(fn({x, w, n, 0})), want, dot_tolerance(n, sum_abs));
  }
}

void check(const Kernel& kernel, AxpyFn fn) {
  Rng rng(41);
  GuardedBuffer x_buffer(1 << 14), y_buffer(1 << 14);
  for (size_t n_case = 0; n_case < kCases; ++n_case) {
    const size_t n = pick_size(rng, n_case);
    auto* x = x_buffer.tail_of<float>(n);
    auto* y = y_buffer.tail_of<float>(n);
    rng.fill_normal(x, n);
    rng.fill_normal(y, n);
    const float s = rng.normal();
    const std::vector<double> y64 = widened(y, n);
    const Case here(kernel, "n %zu, s %g", n, static_cast<double>(s));
    fn(s, x, y, n);
    for (size_t j = 0; j < n; ++j) {
      const double sx = static_cast<double>(s) * static_cast<double>(x[j]);
      here.near(j, static_cast<double>(y[j]), y64[j] + sx, axpy_tolerance(y64[j], sx));
    }
    here.require(y_buffer.canary_intact(), "wrote before its output");
  }
}

}  // namespace siskin::test
