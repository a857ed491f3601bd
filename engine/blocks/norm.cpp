#include "engine/blocks/norm.h"

#include <cmath>

namespace siskin {
namespace {

// f(x[j]) summed in f64, in chains that do not wait for each other.
template <class F>
double sum_of(const float* x, size_t n, F&& f) {
  double sums[4] = {};
  for (size_t j = 0; j < n; ++j) sums[j % 4] += f(static_cast<double>(x[j]));
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

void centre(const float* x, float* y, size_t n) {
  const double mean = sum_of(x, n, [](double v) { return v; }) / static_cast<double>(n);
  for (size_t j = 0; j < n; ++j) y[j] = static_cast<float>(static_cast<double>(x[j]) - mean);
}

}  // namespace

void add_and_norm(StepContext& ctx, size_t n, Residual residual, const Tensor& w, ActivationRows& normed) {
  ctx.enter(Part::norms);
  const size_t d = ctx.spec.d_model;
  ctx.for_rows(n, [&](size_t i) {
    float* x = ctx.act.residual.data() + i * d;
    if (residual == Residual::add_delta) ctx.kernels.axpy(ctx.spec.residual_scale, ctx.act.delta.data() + i * d, x, d);
    const float* from = x;
    if (ctx.spec.layer_norm) {
      centre(x, normed.row(i), d);
      from = normed.row(i);
    }
    ctx.kernels.rms_norm({from, w.values.data(), normed.row(i), d, ctx.spec.rms_eps, w.id});
    normed.quantize(ctx.kernels, i, 0, d);
  });
}

void norm_unweighted(float* x, size_t n, float eps) {
  const double mean = sum_of(x, n, [](double v) { return v * v; }) / static_cast<double>(n);
  const float inverse = static_cast<float>(1.0 / std::sqrt(mean + static_cast<double>(eps)));
  for (size_t j = 0; j < n; ++j) x[j] *= inverse;
}

void norm_rows(StepContext& ctx, std::vector<float>& rows, const Tensor& w) {
  ctx.enter(Part::norms);
  const size_t n = ctx.plan.n_tokens(), width = rows.size() / n;
  ctx.for_rows(n, [&](size_t i) {
    for (float *x = rows.data() + i * width, *end = x + width; x < end; x += w.cols) {
      ctx.kernels.rms_norm({x, w.values.data(), x, w.cols, ctx.spec.rms_eps, w.id});
    }
  });
}

}  // namespace siskin
