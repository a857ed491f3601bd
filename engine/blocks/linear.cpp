#include "engine/blocks/linear.h"

namespace siskin {
void quantize_rows(StepContext& ctx, ActivationRows& rows, size_t n) {
  if (!rows.quantized && !rows.rounded) return;
  ctx.for_rows(n, [&](size_t i) { rows.quantize(ctx.kernels, i, 0, rows.width); });
}

void linear(StepContext& ctx, const ActivationRows& x, size_t n, std::span<const LinearJob> jobs) {
  const size_t rows = row_tasks(n);
  const auto strip_tasks = [n](const PackedMatrix& w) {
    const size_t step = strips_per_task(w, n);
    return (w.strips() + step - 1) / step;
  };
  size_t n_tasks = 0;
  for (const LinearJob& job : jobs) n_tasks += strip_tasks(*job.w) * rows;
  ctx.team.run(n_tasks, [&](size_t task) {
    const LinearJob* job = jobs.data();
    for (size_t tasks; task >= (tasks = strip_tasks(*job->w) * rows); ++job) task -= tasks;
    const size_t step = strips_per_task(*job->w, n);
    const size_t first = task % rows * kTaskRows;  // neighbours share the weights
    MatmulArgs args;
    args.w = *job->w;
    args.strip_begin = task / rows * step;
    args.strip_end = std::min(args.strip_begin + step, job->w->strips());
    args.m = std::min(kTaskRows, n - first);
    args.x = x.row(first);
    args.x_stride = x.width;
    args.xq = x.quant(first);
    args.xb = bf16_for(ctx, x, args.w, n, first);
    args.xb_stride = x.bf16_lines() * 32;
    args.y = job->y + first * job->w->rows + args.strip_begin * kStripRows;
    args.y_stride = job->w->rows;
    run_matmul(ctx.kernels, args);
  });
}

void add_bias(StepContext& ctx, std::vector<float>& rows, const Tensor& bias) {
  ctx.for_rows(ctx.plan.n_tokens(), [&](size_t i) {
    ctx.kernels.add_bias({bias.values.data(), rows.data() + i * bias.cols, bias.cols, bias.id});
  });
}

}  // namespace siskin
