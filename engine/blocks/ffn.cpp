#include "engine/blocks/ffn.h"

#include <cmath>
#include <numeric>

#include "engine/blocks/expert_grid.h"
#include "engine/blocks/linear.h"
#include "engine/router.h"
#include "engine/trace/record.h"

namespace siskin {
namespace {

// A block that all rows go through.
struct WholeBlock {
  const Tensor& gate;
  const Tensor& up;
  const Tensor& down;
};

// y[i] = down(act(gate x[i]) * up x[i]).
void run_block(StepContext& ctx, const WholeBlock& block, size_t n, float* y) {
  ctx.act.hidden.resize(n, block.gate.rows, reads_int8(ctx, block.down, n));
  std::vector<uint32_t> tokens(n);
  std::iota(tokens.begin(), tokens.end(), 0u);
  gate_up(ctx, {{&block.gate.slices[0], &block.up.slices[0], &block.down.slices[0], 0, n, 0, {}, {}, {}}}, tokens.data());
  ctx.enter(Part::down);
  const LinearJob job{&block.down.slices[0], y};
  linear(ctx, ctx.act.hidden, n, {&job, 1});
}

void route(StepContext& ctx, size_t layer, size_t n) {
  const ModelSpec& spec = ctx.spec;
  Activations& act = ctx.act;
  act.scores.resize(n * spec.n_experts);
  ctx.enter(Part::router);
  const LinearJob job{&ctx.weights.get(Slot::ffn_gate_inp, layer).slices[0], act.scores.data()};
  linear(ctx, act.normed, n, {&job, 1});
  if (const Tensor* bias = ctx.weights.find(Slot::ffn_gate_inp_bias, layer)) add_bias(ctx, act.scores, *bias);
  ctx.enter(Part::routing);
  act.limits.clear();
  for (const StepSlice& slice : ctx.plan.slices) {
    act.limits.insert(act.limits.end(), slice.tokens.size(), slice.limits[layer]);
  }
  const Tensor* bias = ctx.weights.find(Slot::exp_probs_b, layer);
  const SelectionBias selection = bias == nullptr ? SelectionBias{} : SelectionBias{bias->values.data(), bias->id};
  route_tokens(ctx.kernels, spec.router, selection, act.scores.data(), spec.n_experts, act.limits, ctx.trace.routing[layer]);
  if (ctx.replay != nullptr) replay_routing(*ctx.replay, ctx.plan, layer, ctx.trace.routing[layer]);
}

Bias bias_of(const Tensor* tensor, size_t expert) {
  return tensor == nullptr ? Bias{} : Bias{tensor->values.data() + expert * tensor->cols, tensor->id};
}

std::vector<Panel> panels_of(const StepContext& ctx, size_t layer, std::span<const ExpertMatrices> group,
                             const ExpertBatches& batches) {
  const Tensor* gate_bias = ctx.weights.find(Slot::ffn_gate_exps_bias, layer);
  const Tensor* up_bias = ctx.weights.find(Slot::ffn_up_exps_bias, layer);
  const Tensor* down_bias = ctx.weights.find(Slot::ffn_down_exps_bias, layer);
  std::vector<Panel> panels;
  size_t row_task = 0;
  for (const ExpertMatrices& expert : group) {
    const size_t e = expert.expert, first = batches.offsets[e], rows = batches.offsets[e + 1] - first;
    panels.push_back({&expert.gate, &expert.up, &expert.down, first, rows, row_task, bias_of(gate_bias, e), bias_of(up_bias, e),
                      bias_of(down_bias, e)});
    row_task += row_tasks(rows);
  }
  return panels;
}

// What the rows of the experts' products are multiplied by, before the activation and behind.
struct RowWeights {
  std::vector<float> before;  // of each sorted row; empty: 1
  std::vector<float> behind;  // of each entry of the routing
};

RowWeights row_weights(const RouterSpec& router, const Routing& routing, const ExpertBatches& batches) {
  if (!router.weight_on_input) return {{}, routing.weights};
  RowWeights weights{std::vector<float>(routing.weights.size()), std::vector<float>(routing.weights.size(), 1.0f)};
  for (size_t row = 0; row < weights.before.size(); ++row) weights.before[row] = routing.weights[batches.entries[row]];
  return weights;
}

// routed, for every expert that has rows: group by group, as the store hands them out. A row's sums do not depend on the grouping.
void run_experts(StepContext& ctx, size_t layer, const Routing& routing, size_t n) {
  const ModelSpec& spec = ctx.spec;
  ExpertBatches batches;
  sort_by_expert(routing, spec.n_experts, batches);
  const RowWeights weights = row_weights(spec.router, routing, batches);
  ctx.act.hidden.resize(routing.expert_ids.size(), spec.d_expert, reads_int8(ctx.weights.get(Slot::ffn_down_exps, layer)), n);
  ctx.act.routed.resize(routing.expert_ids.size() * spec.d_model);
  std::vector<uint32_t> experts;
  for (uint32_t e = 0; e < spec.n_experts; ++e) {
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
    const std::vector<Panel> panels = panels_of(ctx, layer, *group, batches);
    gate_up(ctx, panels, batches.rows.data(), weights.before.empty() ? nullptr : weights.before.data());
    expert_down(ctx, panels, batches, weights.behind);
  }
  ctx.trace.reads[layer] = lease.reads();
}

// Source: Qwen2 Technical Report (arXiv 2407.10671), section 2.2.2; without a gate: DeepSeekMoE (2401.06066), section 3.2.
void add_shared_experts(StepContext& ctx, size_t layer, size_t n) {
  const Weights& weights = ctx.weights;
  const size_t d = ctx.spec.d_model;
  Activations& act = ctx.act;
  act.shared.resize(n * d);
  run_block(ctx,
            {weights.get(Slot::ffn_gate_shexp, layer), weights.get(Slot::ffn_up_shexp, layer),
             weights.get(Slot::ffn_down_shexp, layer)},
            n, act.shared.data());
  ctx.enter(Part::combine);
  const Tensor* gate = weights.find(Slot::ffn_gate_inp_shexp, layer);
  ctx.for_rows(n, [&](size_t i) {
    float share = 1.0f;
    if (gate != nullptr)
      share = 1.0f / (1.0f + std::exp(-ctx.kernels.dot({act.normed.row(i), gate->values.data(), d, gate->id})));
    ctx.kernels.axpy(share, act.shared.data() + i * d, act.delta.data() + i * d, d);
  });
}

}  // namespace

bool ffn_reads_int8(const StepContext& ctx, size_t layer, size_t n) {
  const auto reads = [&](Slot slot, size_t rows) {
    const Tensor* tensor = ctx.weights.find(slot, layer);
    return tensor != nullptr && reads_int8(ctx, *tensor, rows);
  };
  return reads(Slot::ffn_gate, n) || reads(Slot::ffn_up, n) || reads(Slot::ffn_gate_shexp, n) || reads(Slot::ffn_up_shexp, n) ||
         reads(Slot::ffn_gate_inp, n) || reads(Slot::ffn_gate_exps, 1) ||
         reads(Slot::ffn_up_exps, 1);  // an expert may get one row
}

void dense_ffn(StepContext& ctx, size_t layer, size_t n) {
  const Weights& weights = ctx.weights;
  run_block(ctx, {weights.get(Slot::ffn_gate, layer), weights.get(Slot::ffn_up, layer), weights.get(Slot::ffn_down, layer)}, n,
            ctx.act.delta.data());
}

void moe_ffn(StepContext& ctx, size_t layer, size_t n) {
  if (ctx.trace.failure) return;  // an earlier layer's experts could not be read
  route(ctx, layer, n);
  const Routing& routing = ctx.trace.routing[layer];
  if (!routing.expert_ids.empty()) run_experts(ctx, layer, routing, n);
  combine(ctx, routing);
  if (ctx.weights.find(Slot::ffn_gate_shexp, layer) != nullptr) add_shared_experts(ctx, layer, n);
}

}  // namespace siskin
