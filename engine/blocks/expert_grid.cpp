#include "engine/blocks/expert_grid.h"

#include <algorithm>

#include "engine/blocks/linear.h"

namespace siskin {
namespace {

// What a tile of gate and up products has room for: kTaskRows rows of 256 columns stay in L2 beside the weights, and few rows
// may be wider.
constexpr size_t kTileValues = kTaskRows * 256;
constexpr size_t kMostStrips = kTileValues / kTaskRows / kStripRows;
constexpr size_t kMostStripsOfFewRows = kTileValues / kFewRows / kStripRows;

// What a task of a grid over all panels' tasks computes: rows [first, first + n) of a panel, its steps of strips in turn.
struct Tile {
  const Panel& panel;
  size_t first;
  size_t n;
  size_t strip_begin;
  size_t strip_end;
};

size_t widest(const std::vector<Panel>& panels) {
  size_t n = 0;
  for (const Panel& panel : panels) n = std::max(n, panel.n);
  return n;
}

// Calls fn(Tile) for every panel, some strips of `shape` and kTaskRows rows at a time, as one grid. Row tasks of the same
// strips are neighbours and share the weights; where no panel has more than few rows, neighbouring tasks of a panel become one
// tile.
template <class Fn>
void for_tiles(StepContext& ctx, const std::vector<Panel>& panels, const PackedMatrix& shape, Fn&& fn) {
  const size_t n = widest(panels), step = std::min(strips_per_task(shape, n), kMostStrips);
  const size_t steps = (shape.strips() + step - 1) / step;
  const size_t row_steps = panels.back().row_task + row_tasks(panels.back().n);
  ctx.team.run_ranges(row_steps * steps, [&](size_t begin, size_t end) {
    for (size_t task = begin; task < end;) {
      const auto after = std::upper_bound(panels.begin(), panels.end(), task / steps,
                                          [](size_t row_task, const Panel& panel) { return row_task < panel.row_task; });
      const Panel& panel = *(after - 1);
      const size_t of_panel = task - panel.row_task * steps, rows = row_tasks(panel.n);
      size_t tasks = 1;
      if (n <= kFewRows) tasks = std::min({end - task, steps - of_panel, kMostStripsOfFewRows / step});
      const size_t strip = of_panel / rows * step, first = of_panel % rows * kTaskRows;
      fn(Tile{panel, panel.first + first, std::min(kTaskRows, panel.n - first), strip,
              std::min(strip + tasks * step, shape.strips())});
      task += tasks;
    }
  });
}

void add_columns(const StepContext& ctx, const Bias& bias, size_t first_col, float* y, size_t n) {
  if (bias.values != nullptr) ctx.kernels.add_bias({bias.values + first_col, y, n, bias.tensor});
}

// act(g) * u, written to h. g and u may be overwritten.
void activate(const StepContext& ctx, float* g, float* u, float* h, size_t n) {
  switch (ctx.spec.activation) {
    case FfnActivation::silu:
      return ctx.kernels.swiglu(g, u, h, n);
    case FfnActivation::gelu_tanh:
      return ctx.kernels.geglu({g, u, h, n});
    case FfnActivation::clamped_swiglu:
      // a g sigmoid(a g) (u + 1) / a is a silu of a g. Source: gpt-oss model card (arXiv 2508.10925) and its reference code.
      constexpr float kLimit = 7.0f, kSlope = 1.702f;
      for (size_t j = 0; j < n; ++j) {
        g[j] = kSlope * std::min(g[j], kLimit);
        u[j] = (std::clamp(u[j], -kLimit, kLimit) + 1.0f) / kSlope;
      }
      return ctx.kernels.swiglu(g, u, h, n);
  }
}

void gate_up_tile(StepContext& ctx, const Tile& tile, const uint32_t* tokens, const float* input_weights) {
  Activations& act = ctx.act;
  const Panel& panel = tile.panel;
  alignas(64) float gate_tile[kTileValues], up_tile[kTileValues];
  const size_t first_col = tile.strip_begin * kStripRows;
  const size_t cols = std::min(tile.strip_end * kStripRows, panel.gate->rows) - first_col;
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
  args.w = *panel.gate;
  args.xb = bf16_for(ctx, act.normed, args.w, panel.n);
  args.y = gate_tile;
  run_matmul(ctx.kernels, args);
  args.w = *panel.up;
  args.xb = bf16_for(ctx, act.normed, args.w, panel.n);
  args.y = up_tile;
  run_matmul(ctx.kernels, args);
  for (size_t i = 0; i < tile.n; ++i) {
    const size_t row = tile.first + i;
    float* gate = gate_tile + i * args.y_stride;
    float* up = up_tile + i * args.y_stride;
    float* h = act.hidden.quantized ? gate : act.hidden.row(row) + first_col;
    if (input_weights != nullptr) {
      for (size_t j = 0; j < cols; ++j) {
        gate[j] *= input_weights[row];
        up[j] *= input_weights[row];
      }
    }
    add_columns(ctx, panel.gate_bias, first_col, gate, cols);
    add_columns(ctx, panel.up_bias, first_col, up, cols);
    activate(ctx, gate, up, h, cols);
    act.hidden.quantize_from(ctx.kernels, h, row, first_col, cols);
  }
}

}  // namespace

void gate_up(StepContext& ctx, const std::vector<Panel>& panels, const uint32_t* tokens, const float* input_weights) {
  ctx.enter(Part::gate_up);
  for_tiles(ctx, panels, *panels.front().gate, [&](const Tile& tile) { gate_up_tile(ctx, tile, tokens, input_weights); });
}

void expert_down(StepContext& ctx, const std::vector<Panel>& panels, const ExpertBatches& batches,
                 const std::vector<float>& weights) {
  ctx.enter(Part::down);
  const size_t d = ctx.spec.d_model;
  const ActivationRows& hidden = ctx.act.hidden;
  for_tiles(ctx, panels, *panels.front().down, [&](const Tile& tile) {
    alignas(64) float tile_y[kTileValues];
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
    args.y = tile_y;
    args.y_stride = (tile.strip_end - tile.strip_begin) * kStripRows;
    run_matmul(ctx.kernels, args);
    const size_t first_col = tile.strip_begin * kStripRows;
    const size_t cols = std::min(tile.strip_end * kStripRows, d) - first_col;
    for (size_t i = 0; i < tile.n; ++i) {
      const uint32_t entry = batches.entries[tile.first + i];
      float* y = tile_y + i * args.y_stride;
      add_columns(ctx, tile.panel.down_bias, first_col, y, cols);
      float* out = ctx.act.routed.data() + entry * d + first_col;
      const float weight = weights[entry];
      for (size_t c = 0; c < cols; ++c) out[c] = weight * y[c];
    }
  });
}

void combine(StepContext& ctx, const Routing& routing) {
  ctx.enter(Part::combine);
  const size_t d = ctx.spec.d_model;
  ctx.for_rows(routing.n_tokens(), [&](size_t token) {
    float* out = ctx.act.delta.data() + token * d;
    std::fill(out, out + d, 0.0f);
    for (uint32_t entry = routing.offsets[token]; entry < routing.offsets[token + 1]; ++entry) {
      ctx.kernels.axpy(1.0f, ctx.act.routed.data() + entry * d, out, d);
    }
  });
}

}  // namespace siskin
