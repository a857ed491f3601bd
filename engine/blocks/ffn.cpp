#include "engine/blocks/ffn.h"

#include <algorithm>

#include "engine/blocks/linear.h"
#include "engine/router.h"

namespace siskin {
namespace {

// Columns per task: gate and up tiles of kTaskRows rows stay in L2 beside the weights.
constexpr size_t kTileCols = 256;

// The sorted rows of one expert (or of the dense block, which is one expert that has all rows).
struct Panel {
  const PackedMatrix* gate;
  const PackedMatrix* up;
  const PackedMatrix* down;
  size_t first;  // sorted row
  size_t n;
  size_t row_task;  // row tasks of the panels before
};

// What a task of a grid over all panels' tasks computes: rows [first, first + n) of a panel, its steps of strips in turn.
struct Tile {
  const Panel& panel;
  size_t first;
  size_t n;
  size_t strip_begin;
  size_t strip_end;
};

// Calls fn(Tile) for every panel, `step` strips of `shape` and kTaskRows rows at a time, as one grid: no barrier per expert.
// Row tasks of the same strips are neighbours and share the weights.
template <class Fn>
void for_tiles(StepContext& ctx, const std::vector<Panel>& panels, const PackedMatrix& shape, size_t step, Fn&& fn) {
  const size_t steps = (shape.strips() + step - 1) / step;
  const size_t row_steps = panels.back().row_task + row_tasks(panels.back().n);
  ctx.team.run(row_steps * steps, [&](size_t task) {
    const auto after = std::upper_bound(panels.begin(), panels.end(), task / steps,
                                        [](size_t row_task, const Panel& panel) { return row_task < panel.row_task; });
    const Panel& panel = *(after - 1);
    task -= panel.row_task * steps;
    const size_t rows = row_tasks(panel.n), begin = task / rows * step, first = task % rows * kTaskRows;
    fn(Tile{panel, panel.first + first, std::min(kTaskRows, panel.n - first), begin, std::min(begin + step, shape.strips())});
  });
}

size_t widest(const std::vector<Panel>& panels) {
  size_t n = 0;
  for (const Panel& panel : panels) n = std::max(n, panel.n);
  return n;
}

// hidden[row] = activation(gate x[token(row)]) * (up x[token(row)]), for the columns of one task.
void gate_up_tile(StepContext& ctx, const Tile& tile, const uint32_t* tokens) {
  Activations& act = ctx.act;
  alignas(64) float gate_tile[kTaskRows * kTileCols], up_tile[kTaskRows * kTileCols];
  const size_t first_col = tile.strip_begin * kStripRows;
  const size_t cols = std::min(tile.strip_end * kStripRows, tile.panel.gate->rows) - first_col;
  MatmulArgs args;
  args.strip_begin = tile.strip_begin;
  args.strip_end = tile.strip_end;
  args.m = tile.n;
  args.gather = tokens + tile.first;
  args.x = act.normed.values.data();
  args.x_stride = act.normed.width;
  args.xq = act.normed.quant();
  args.xb_stride = act.normed.bf16_lines() * 32;
  args.y_stride = (tile.strip_end - tile.strip_begin) * kStripRows;
  args.w = *tile.panel.gate;
  args.xb = bf16_for(ctx, act.normed, args.w, tile.panel.n);
  args.y = gate_tile;
  run_matmul(ctx.kernels, args);
  args.w = *tile.panel.up;
  args.xb = bf16_for(ctx, act.normed, args.w, tile.panel.n);
  args.y = up_tile;
  run_matmul(ctx.kernels, args);
  for (size_t i = 0; i < tile.n; ++i) {
    const size_t row = tile.first + i;
    float* gate = gate_tile + i * args.y_stride;
    float* h = act.hidden.quantized ? gate : act.hidden.row(row) + first_col;
    if (ctx.spec.activation == FfnActivation::gelu_tanh) {
      ctx.kernels.geglu({gate, up_tile + i * args.y_stride, h, cols});
    } else {
      ctx.kernels.swiglu(gate, up_tile + i * args.y_stride, h, cols);
    }
    act.hidden.quantize_from(ctx.kernels, h, row, first_col, cols);
  }
}

void gate_up(StepContext& ctx, const std::vector<Panel>& panels, const uint32_t* tokens) {
  ctx.enter(Part::gate_up);
  const PackedMatrix& shape = *panels.front().gate;
  const size_t n = widest(panels);
  // gate and up are read in turn, by few rows each in half as long a run.
  const size_t run = strips_per_task(shape, n);
  const size_t step = std::clamp<size_t>(n > kFewRows ? run : run / 4 * 2, 2, kTileCols / kStripRows);
  for_tiles(ctx, panels, shape, step, [&](const Tile& tile) { gate_up_tile(ctx, tile, tokens); });
}

// routed[entry(row)] = weight[entry(row)] * (down hidden[row]); each task owns some columns of some rows.
void expert_down(StepContext& ctx, const std::vector<Panel>& panels, const ExpertBatches& batches, const Routing& routing) {
  ctx.enter(Part::down);
  const PackedMatrix& shape = *panels.front().down;
  const size_t step = std::min(strips_per_task(shape, widest(panels)), kTileCols / kStripRows);
  const size_t d = ctx.spec.d_model;
  const ActivationRows& hidden = ctx.act.hidden;
  for_tiles(ctx, panels, shape, step, [&](const Tile& tile) {
    alignas(64) float y[kTaskRows * kTileCols];
    MatmulArgs args;
    args.w = *tile.panel.down;
    args.strip_begin = tile.strip_begin;
    args.strip_end = tile.strip_end;
    args.m = tile.n;
    args.x = hidden.row(tile.first);
    args.x_stride = hidden.width;
    args.xq = hidden.quant(tile.first);
    args.xb = bf16_for(ctx, hidden, args.w, tile.panel.n, tile.first);
    args.xb_stride = hidden.bf16_lines() * 32;
    args.y = y;
    args.y_stride = (tile.strip_end - tile.strip_begin) * kStripRows;
    run_matmul(ctx.kernels, args);
    const size_t first_col = tile.strip_begin * kStripRows;
    const size_t cols = std::min(tile.strip_end * kStripRows, d) - first_col;
    for (size_t i = 0; i < tile.n; ++i) {
      const uint32_t entry = batches.entries[tile.first + i];
      float* out = ctx.act.routed.data() + entry * d + first_col;
      const float weight = routing.weights[entry];
      for (size_t c = 0; c < cols; ++c) out[c] = weight * y[i * args.y_stride + c];
    }
  });
}

// routed, for every expert that has rows: group by group, as the store hands them out. A row's sums do not depend on the grouping.
void compute_experts(StepContext& ctx, size_t layer, const ExpertBatches& batches) {
  std::vector<uint32_t> experts;
  for (uint32_t e = 0; e < ctx.spec.n_experts; ++e) {
    if (batches.offsets[e + 1] > batches.offsets[e]) experts.push_back(e);
  }
  ExpertLease lease = ctx.experts.acquire(layer, std::move(experts));
  for (;;) {
    const auto group = lease.next();
    if (!group) {
      ctx.trace.failure = group.error();
      break;
    }
    if (group->empty()) break;
    std::vector<Panel> panels;
    size_t row_task = 0;
    for (const ExpertMatrices& expert : *group) {
      const size_t first = batches.offsets[expert.expert], rows = batches.offsets[expert.expert + 1] - first;
      panels.push_back({&expert.gate, &expert.up, &expert.down, first, rows, row_task});
      row_task += row_tasks(rows);
    }
    gate_up(ctx, panels, batches.rows.data());
    expert_down(ctx, panels, batches, ctx.trace.routing[layer]);
  }
  ctx.trace.reads[layer] = lease.reads();
}

// delta[token] = sum over ranks, in rank order.
void combine(StepContext& ctx, const Routing& routing, size_t n) {
  ctx.enter(Part::combine);
  const size_t d = ctx.spec.d_model;
  ctx.for_rows(n, [&](size_t token) {
    float* out = ctx.act.delta.data() + token * d;
    std::fill(out, out + d, 0.0f);
    for (uint32_t entry = routing.offsets[token]; entry < routing.offsets[token + 1]; ++entry) {
      ctx.kernels.axpy(1.0f, ctx.act.routed.data() + entry * d, out, d);
    }
  });
}

}  // namespace

void dense_ffn(StepContext& ctx, size_t layer, size_t n) {
  const Tensor& gate = ctx.weights.get(Slot::ffn_gate, layer);
  const Tensor& up = ctx.weights.get(Slot::ffn_up, layer);
  const Tensor& down = ctx.weights.get(Slot::ffn_down, layer);
  ctx.act.hidden.resize(n, ctx.spec.d_ff, reads_int8(ctx, down, n));
  std::vector<uint32_t> tokens(n);
  for (uint32_t i = 0; i < n; ++i) tokens[i] = i;
  gate_up(ctx, {{&gate.slices[0], &up.slices[0], &down.slices[0], 0, n, 0}}, tokens.data());
  ctx.enter(Part::down);
  const LinearJob job{&down.slices[0], ctx.act.delta.data()};
  linear(ctx, ctx.act.hidden, n, {&job, 1});
}

void moe_ffn(StepContext& ctx, size_t layer, size_t n) {
  const ModelSpec& spec = ctx.spec;
  if (ctx.trace.failure) return;  // an earlier layer's experts could not be read
  const Tensor& router = ctx.weights.get(Slot::ffn_gate_inp, layer);
  const Tensor& down = ctx.weights.get(Slot::ffn_down_exps, layer);
  ctx.act.scores.resize(n * spec.n_experts);
  ctx.enter(Part::router);
  const LinearJob score_job{&router.slices[0], ctx.act.scores.data()};
  linear(ctx, ctx.act.normed, n, {&score_job, 1});
  ctx.enter(Part::routing);
  Routing& routing = ctx.trace.routing[layer];
  route_tokens(ctx.kernels, ctx.act.scores.data(), n, spec.n_experts, ctx.top_k, spec.expert_weights, routing);
  ExpertBatches batches;
  sort_by_expert(routing, spec.n_experts, batches);

  const size_t entries = routing.expert_ids.size();
  ctx.act.hidden.resize(entries, spec.d_ff, reads_int8(down), n);
  ctx.act.routed.resize(entries * spec.d_model);
  compute_experts(ctx, layer, batches);
  combine(ctx, routing, n);
}

}  // namespace siskin
