#include "engine/blocks/latent.h"

#include <algorithm>
#include <vector>

#include "engine/blocks/linear.h"
#include "engine/blocks/norm.h"

namespace siskin {
namespace {

// y[i, h] = W_h x[h, i] for every head: x by heads [n_heads, n, ..], y by rows, `width` floats for each head of a row.
void linear_by_head(StepContext& ctx, const ActivationRows& x, const Tensor& w, float* y, size_t width) {
  const size_t n = ctx.plan.n_tokens(), heads = ctx.spec.n_heads;
  std::vector<LinearJob> jobs;
  for (size_t head = 0; head < heads; ++head) jobs.push_back({&w.slices[head], y + head * width, heads * width, head * n});
  linear(ctx, x, n, jobs);
}

void norm_row(StepContext& ctx, const float* x, const Tensor& w, float* y) {
  ctx.kernels.rms_norm({x, w.values.data(), y, w.cols, ctx.spec.rms_eps, w.id});
}

}  // namespace

void project_latents(StepContext& ctx, size_t layer) {
  const ModelSpec& spec = ctx.spec;
  const size_t n = ctx.plan.n_tokens(), unrotated = spec.head_dim - spec.n_rot;
  Activations& act = ctx.act;
  const bool factored = spec.q_rank > 0;
  const Tensor& wq = ctx.weights.get(factored ? Slot::attn_q_a : Slot::attn_q, layer);
  const Tensor& kv_a = ctx.weights.get(Slot::attn_kv_a, layer);
  const Tensor* q_b = ctx.weights.find(Slot::attn_q_b, layer);
  if (factored) act.q_factor.resize(n, spec.q_rank, reads_int8(ctx, *q_b, n));
  act.normed.resize(n, spec.d_model, reads_int8(ctx, wq, n) || reads_int8(ctx, kv_a, n));
  add_and_norm(ctx, n, layer == 0 ? Residual::keep : Residual::add_delta, ctx.weights.get(Slot::attn_norm, layer), nullptr,
               act.normed);
  ctx.enter(Part::qkv);
  const LinearJob jobs[] = {{&wq.slices[0], factored ? act.q_factor.values.data() : act.q.data()},
                            {&kv_a.slices[0], act.k.data()}};
  linear(ctx, act.normed, n, jobs);

  ctx.enter(Part::norms);
  ctx.for_rows(n, [&](size_t i) {
    float* latent = act.k.data() + i * spec.d_k();
    norm_row(ctx, latent, ctx.weights.get(Slot::attn_kv_a_norm, layer), latent);
    if (!factored) return;
    norm_row(ctx, act.q_factor.row(i), ctx.weights.get(Slot::attn_q_a_norm, layer), act.q_factor.row(i));
    act.q_factor.quantize(ctx.kernels, i, 0, spec.q_rank);
  });
  ctx.enter(Part::qkv);
  if (factored) {
    const LinearJob job{&q_b->slices[0], act.q.data()};
    linear(ctx, act.q_factor, n, {&job, 1});
  }

  const Tensor& k_b = ctx.weights.get(Slot::attn_k_b, layer);
  act.by_head.resize(n * spec.n_heads, unrotated, reads_int8(ctx, k_b, n), n);
  act.q_latent.resize(n * spec.n_heads * spec.key_width());
  ctx.for_rows(n, [&](size_t i) {
    for (size_t head = 0; head < spec.n_heads; ++head) {
      const float* q = act.q.data() + i * spec.d_q() + head * spec.head_dim;
      std::copy_n(q, unrotated, act.by_head.row(head * n + i));
      act.by_head.quantize(ctx.kernels, head * n + i, 0, unrotated);
      std::copy_n(q + unrotated, spec.n_rot, act.q_latent.data() + (i * spec.n_heads + head) * spec.key_width() + spec.kv_rank);
    }
  });
  linear_by_head(ctx, act.by_head, k_b, act.q_latent.data(), spec.key_width());
  act.by_head.resize(n * spec.n_heads, spec.kv_rank, reads_int8(ctx, ctx.weights.get(Slot::attn_v_b, layer), n), n);
}

void values_of_latents(StepContext& ctx, size_t layer) {
  ctx.enter(Part::attention);
  linear_by_head(ctx, ctx.act.by_head, ctx.weights.get(Slot::attn_v_b, layer), ctx.act.attended.values.data(),
                 ctx.spec.value_dim);
  quantize_rows(ctx, ctx.act.attended, ctx.plan.n_tokens());
}

}  // namespace siskin
