#include "engine/blocks/norm.h"

namespace siskin {

void add_and_norm(StepContext& ctx, size_t n, Residual residual, const Tensor& w, const Tensor* bias, ActivationRows& normed) {
  ctx.enter(Part::norms);
  const size_t d = ctx.spec.d_model;
  ctx.for_rows(n, [&](size_t i) {
    float* x = ctx.act.residual.data() + i * d;
    if (residual == Residual::add_delta) ctx.kernels.axpy(ctx.spec.residual_scale, ctx.act.delta.data() + i * d, x, d);
    if (ctx.spec.layer_norm) {
      const float* shift = bias == nullptr ? nullptr : bias->values.data();
      ctx.kernels.layer_norm(
          {x, w.values.data(), shift, normed.row(i), d, ctx.spec.rms_eps, w.id, bias == nullptr ? 0 : bias->id});
    } else {
      ctx.kernels.rms_norm({x, w.values.data(), normed.row(i), d, ctx.spec.rms_eps, w.id});
    }
    normed.quantize(ctx.kernels, i, 0, d);
  });
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
