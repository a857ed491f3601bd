#include "engine/blocks/linear.h"

namespace siskin {
void quantize_rows(StepContext& ctx, ActivationRows& rows, size_t n) {
  if (!rows.quantized) return;
  ctx.for_rows(n, [&](size_t i) { rows.quantize(ctx.kernels, i, 0, rows.width); });
}

void linear(StepContext& ctx, const ActivationRows& x, size_t n, std::span<const LinearJob> jobs) {
  size_t n_tasks = 0;
  for (const LinearJob& job : jobs) n_tasks += (job.w->strips() + strips_per_task(*job.w) - 1) / strips_per_task(*job.w);
  ctx.team.run(n_tasks, [&](size_t task) {
    const LinearJob* job = jobs.data();
    size_t step = strips_per_task(*job->w);
    for (size_t tasks; task >= (tasks = (job->w->strips() + step - 1) / step);) {
      task -= tasks;
      ++job;
      step = strips_per_task(*job->w);
    }
    MatmulArgs args;
    args.w = *job->w;
    args.strip_begin = task * step;
    args.strip_end = std::min(args.strip_begin + step, job->w->strips());
    args.m = n;
    args.x = x.values.data();
    args.x_stride = x.width;
    args.xq = x.quant();
    args.y = job->y + args.strip_begin * kStripRows;
    args.y_stride = job->w->rows;
    run_matmul(ctx.kernels, args);
  });
}

}  // namespace siskin
