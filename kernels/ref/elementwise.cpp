// Norms, rotary positions, softmax and activations of one row. Sums over a row run in f64, so that they are exact enough to
// judge by.
#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/ref/bodies.h"

namespace siskin::ref {

void rms_norm(const RmsNormArgs& args) noexcept {
  double squares = 0.0;
  for (size_t j = 0; j < args.n; ++j) squares += static_cast<double>(args.x[j]) * static_cast<double>(args.x[j]);
  const double mean = squares / static_cast<double>(args.n);
  const float inverse = static_cast<float>(1.0 / std::sqrt(mean + static_cast<double>(args.eps)));
  for (size_t j = 0; j < args.n; ++j) args.y[j] = args.x[j] * inverse * (args.w == nullptr ? 1.0f : args.w[j]);
}

void layer_norm(const LayerNormArgs& args) noexcept {
  const double n = static_cast<double>(args.n);
  double sum = 0.0, squares = 0.0;
  for (size_t j = 0; j < args.n; ++j) sum += static_cast<double>(args.x[j]);
  const double mean = sum / n;
  for (size_t j = 0; j < args.n; ++j) {
    const double centred = static_cast<double>(args.x[j]) - mean;
    squares += centred * centred;
  }
  const float inverse = static_cast<float>(1.0 / std::sqrt(squares / n + static_cast<double>(args.eps)));
  for (size_t j = 0; j < args.n; ++j) {
    const float centred = static_cast<float>(static_cast<double>(args.x[j]) - mean);
    args.y[j] = centred * inverse * (args.w == nullptr ? 1.0f : args.w[j]) + (args.b == nullptr ? 0.0f : args.b[j]);
  }
}

void rope(const RopeArgs& args) noexcept {
  const size_t n_pairs = args.n_rot / 2;
  for (size_t h = 0; h < args.n_heads; ++h) {
    float* head = args.x + h * args.head_dim;
    for (size_t j = 0; j < n_pairs; ++j) {
      float& first = args.interleaved ? head[2 * j] : head[j];
      float& second = args.interleaved ? head[2 * j + 1] : head[j + n_pairs];
      const float a = first;
      const float b = second;
      first = a * args.cos[j] - b * args.sin[j];
      second = a * args.sin[j] + b * args.cos[j];
    }
  }
}

void softmax(float* x, size_t n) noexcept {
  const float largest = *std::max_element(x, x + n);
  double total = 0.0;
  for (size_t j = 0; j < n; ++j) {
    x[j] = std::exp(x[j] - largest);
    total += static_cast<double>(x[j]);
  }
  const float inverse = static_cast<float>(1.0 / total);
  for (size_t j = 0; j < n; ++j) x[j] *= inverse;
}

void swiglu(const float* g, const float* u, float* y, size_t n) noexcept {
  for (size_t j = 0; j < n; ++j) y[j] = g[j] / (1.0f + std::exp(-g[j])) * u[j];
}

void geglu(const GegluArgs& args) noexcept {
  constexpr float kTwiceSqrt2OverPi = 1.59576912160573f;
  for (size_t j = 0; j < args.n; ++j) {
    const float g = args.g[j];
    args.y[j] = g / (1.0f + std::exp(-kTwiceSqrt2OverPi * (g + 0.044715f * g * g * g))) * args.u[j];
  }
}

void add_bias(const AddBiasArgs& args) noexcept {
  for (size_t j = 0; j < args.n; ++j) args.y[j] += args.bias[j];
}

float dot(const DotArgs& args) noexcept {
  double sum = 0.0;
  for (size_t j = 0; j < args.n; ++j) sum += static_cast<double>(args.x[j]) * static_cast<double>(args.w[j]);
  return static_cast<float>(sum);
}

void axpy(float s, const float* x, float* y, size_t n) noexcept {
  for (size_t j = 0; j < n; ++j) y[j] += s * x[j];
}

}  // namespace siskin::ref
