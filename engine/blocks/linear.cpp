#include "engine/blocks/linear.h"

namespace siskin {
void quantize_rows(StepContext& ctx, ActivationRows& rows, size_t n) {
  if (!rows.quantized && !rows.rounded) return;
  ctx.for_rows(n, [&](size_t i) { rows.quantize(ctx.kernels, i, 0, rows.width); });
}

void linear(StepContext& ctx, const ActivationRows& x, size_t n, std::span<const LinearJob> jobs) {
  const size_t rows = row_tasks(n);
  const auto tasks_of = [&](const LinearJob& job) {
    const size_t step = strips_per_task(*job.w, n);
    return (job.w->strips() + step - 1) / step * rows;
  };
  size_t n_tasks = 0;
  for (const LinearJob& job : jobs) n_tasks += tasks_of(job);
  // Rows [first, first + kTaskRows) by strips [begin, end).
  const auto multiply = [&](const LinearJob& job, size_t first, size_t begin, size_t end) {
    MatmulArgs args;
    args.w = *job.w;
    args.strip_begin = begin;
    args.strip_end = std::min(end, job.w->strips());
    args.m = std::min(kTaskRows, n - first);
    args.x = x.row(job.first_row + first);
    args.x_stride = x.width;
    args.xq = x.quant(job.first_row + first);
    args.xb = bf16_for(ctx, x, args.w, n, job.first_row + first);
    args.xb_stride = x.bf16_lines() * 32;
    args.y_stride = job.y_stride != 0 ? job.y_stride : job.w->rows;
    args.y = job.y + first * args.y_stride + args.strip_begin * kStripRows;
    run_matmul(ctx.kernels, args);
  };
  ctx.team.run_ranges(n_tasks, [&](size_t begin, size_t end) {
    size_t before = 0;  // tasks of the jobs before
    for (const LinearJob& job : jobs) {
      const size_t tasks = tasks_of(job), step = strips_per_task(*job.w, n);
      const size_t from = std::max(begin, before) - before, to = std::min(end, before + tasks) - std::min(end, before);
      before += tasks;
      if (from >= to) continue;
      if (n <= kFewRows) {
        multiply(job, 0, from * step, to * step);
        continue;
      }
      for (size_t task = from; task < to; ++task) {  // neighbours share the weights
        multiply(job, task % rows * kTaskRows, task / rows * step, (task / rows + 1) * step);
      }
    }
  });
}

void add_bias(StepContext& ctx, std::vector<float>& rows, const Tensor& bias) {
  ctx.for_rows(rows.size() / bias.cols, [&](size_t i) {
    ctx.kernels.add_bias({bias.values.data(), rows.data() + i * bias.cols, bias.cols, bias.id});
  });
}

}  // namespace siskin
