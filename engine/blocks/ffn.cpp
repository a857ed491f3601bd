#include "engine/blocks/ffn.h"

#include <algorithm>

#include "engine/blocks/linear.h"
#include "engine/router.h"

namespace siskin {
namespace {

// Rows per task: gate and up tiles of 64 rows x a task's columns stay in L2 beside the weights.
constexpr size_t kTileRows = 64;
constexpr size_t kTileCols = 512;

// A run of sorted rows of one expert (or of the dense block, which is one expert that has all rows).
struct Panel {
  const PackedMatrix* gate;
  const PackedMatrix* up;
  const PackedMatrix* down;
  size_t first;  // sorted row
  size_t n;
};

size_t gate_strips_per_task(const PackedMatrix& gate) {
  // gate and up are read in turn, each in half as long a run; at most kTileCols columns, a multiple of 32.
  return std::clamp<size_t>(strips_per_task(gate) / 4 * 2, 2, kTileCols / kStripRows);
}

// hidden[row] = silu(gate x[token(row)]) * (up x[token(row)]), for the columns of one task.
void gate_up_task(StepContext& ctx, const Panel& panel, const uint32_t* tokens, size_t strip_begin, size_t strip_end) {
  Activations& act = ctx.act;
  alignas(64) float gate_tile[kTileRows * kTileCols], up_tile[kTileRows * kTileCols];
  const size_t first_col = strip_begin * kStripRows;
  const size_t cols = std::min(strip_end * kStripRows, panel.gate->rows) - first_col;
  const size_t stride = (strip_end - strip_begin) * kStripRows;
  for (size_t first = panel.first; first < panel.first + panel.n; first += kTileRows) {
    MatmulArgs args;
    args.strip_begin = strip_begin;
    args.strip_end = strip_end;
    args.m = std::min(kTileRows, panel.first + panel.n - first);
    args.gather = tokens + first;
    args.x = act.normed.values.data();
    args.x_stride = act.normed.width;
    args.xq = act.normed.quant();
    args.y_stride = stride;
    args.w = *panel.gate;
    args.y = gate_tile;
    run_matmul(ctx.kernels, args);
    args.w = *panel.up;
    args.y = up_tile;
    run_matmul(ctx.kernels, args);
    for (size_t i = 0; i < args.m; ++i) {
      const size_t row = first + i;
      float* h = act.hidden.row(row) + first_col;
      ctx.kernels.swiglu(gate_tile + i * stride, up_tile + i * stride, h, cols);
      act.hidden.quantize(ctx.kernels, row, first_col, cols);
    }
  }
}

// All panels' tasks form one grid: no barrier per expert.
void gate_up(StepContext& ctx, const std::vector<Panel>& panels, const uint32_t* tokens) {
  const PackedMatrix& shape = *panels.front().gate;
  const size_t step = gate_strips_per_task(shape);
  const size_t per_panel = (shape.strips() + step - 1) / step;
  ctx.team.run(panels.size() * per_panel, [&](size_t task) {
    const size_t begin = task % per_panel * step;
    gate_up_task(ctx, panels[task / per_panel], tokens, begin, std::min(begin + step, shape.strips()));
  });
}

// routed[entry(row)] = weight[entry(row)] * (down hidden[row]); each task owns some columns of some rows.
void expert_down(StepContext& ctx, const std::vector<Panel>& panels, const ExpertBatches& batches, const Routing& routing) {
  const PackedMatrix& shape = *panels.front().down;
  const size_t step = std::min(strips_per_task(shape), kTileCols / kStripRows);
  const size_t per_panel = (shape.strips() + step - 1) / step;
  const size_t d = ctx.spec.d_model;
  ctx.team.run(panels.size() * per_panel, [&](size_t task) {
    const Panel& panel = panels[task / per_panel];
    alignas(64) float tile[kTileRows * kTileCols];
    MatmulArgs args;
    args.w = *panel.down;
    args.strip_begin = task % per_panel * step;
    args.strip_end = std::min(args.strip_begin + step, shape.strips());
    args.y = tile;
    args.y_stride = (args.strip_end - args.strip_begin) * kStripRows;
    const size_t first_col = args.strip_begin * kStripRows;
    const size_t cols = std::min(args.strip_end * kStripRows, d) - first_col;
    for (size_t first = panel.first; first < panel.first + panel.n; first += kTileRows) {
      args.m = std::min(kTileRows, panel.first + panel.n - first);
      const size_t blocks = ctx.act.hidden.width / kQuantBlock;
      args.x = ctx.act.hidden.row(first);
      args.x_stride = ctx.act.hidden.width;
      args.xq = {ctx.act.hidden.q.data() + first * ctx.act.hidden.width, ctx.act.hidden.scale.data() + first * blocks,
                 ctx.act.hidden.sum.data() + first * blocks};
      run_matmul(ctx.kernels, args);
      for (size_t i = 0; i < args.m; ++i) {
        const uint32_t entry = batches.entries[first + i];
        float* out = ctx.act.routed.data() + entry * d + first_col;
        const float weight = routing.weights[entry];
        for (size_t c = 0; c < cols; ++c) out[c] = weight * tile[i * args.y_stride + c];
      }
    }
  });
}

// delta[token] = sum over ranks, in rank order.
void combine(StepContext& ctx, const Routing& routing, size_t n) {
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
  ctx.act.hidden.resize(n, ctx.spec.d_ff, reads_int8(down));
  std::vector<uint32_t> tokens(n);
  for (uint32_t i = 0; i < n; ++i) tokens[i] = i;
  gate_up(ctx, {{&gate.slices[0], &up.slices[0], &down.slices[0], 0, n}}, tokens.data());
  const LinearJob job{&down.slices[0], ctx.act.delta.data()};
  linear(ctx, ctx.act.hidden, n, {&job, 1});
}

void moe_ffn(StepContext& ctx, size_t layer, size_t n) {
  const ModelSpec& spec = ctx.spec;
  const Tensor& router = ctx.weights.get(Slot::ffn_gate_inp, layer);
  const Tensor& down = ctx.weights.get(Slot::ffn_down_exps, layer);
  ctx.act.scores.resize(n * spec.n_experts);
  const LinearJob score_job{&router.slices[0], ctx.act.scores.data()};
  linear(ctx, ctx.act.normed, n, {&score_job, 1});
  Routing& routing = ctx.trace.routing[layer];
  route_tokens(ctx.kernels, ctx.act.scores.data(), n, spec.n_experts, spec.top_k, routing);
  ExpertBatches batches;
  sort_by_expert(routing, spec.n_experts, batches);

  const ExpertStore::Lease lease = ctx.experts.acquire(layer, routing.expert_ids);
  std::vector<Panel> panels;
  for (size_t e = 0; e < spec.n_experts; ++e) {
    const size_t first = batches.offsets[e], rows = batches.offsets[e + 1] - first;
    if (rows > 0) panels.push_back({&lease.gate(e), &lease.up(e), &lease.down(e), first, rows});
  }
  const size_t entries = routing.expert_ids.size();
  ctx.act.hidden.resize(entries, spec.d_ff, reads_int8(down));
  ctx.act.routed.resize(entries * spec.d_model);
  gate_up(ctx, panels, batches.rows.data());
  expert_down(ctx, panels, batches, routing);
  combine(ctx, routing, n);
}

}  // namespace siskin
