#include "engine/blocks/norm.h"

namespace siskin {

void add_and_norm(StepContext& ctx, size_t n, Residual residual, const Tensor& w, ActivationRows& normed) {
  const size_t d = ctx.spec.d_model, blocks = d / kQuantBlock;
  const auto row = [&](size_t i) {
    float* x = ctx.act.residual.data() + i * d;
    if (residual == Residual::add_delta) ctx.kernels.axpy(1.0f, ctx.act.delta.data() + i * d, x, d);
    ctx.kernels.rms_norm({x, w.values.data(), normed.row(i), d, ctx.spec.rms_eps, w.id});
    if (normed.quantized) {
      ctx.kernels.quantize_q8(normed.row(i), d, normed.q.data() + i * d, normed.scale.data() + i * blocks,
                              normed.sum.data() + i * blocks);
    }
  };
  // One to four rows are done sooner than a grid is opened (a few microseconds).
  if (n <= 4) {
    for (size_t i = 0; i < n; ++i) row(i);
  } else {
    ctx.team.run(n, row);
  }
}

}  // namespace siskin
