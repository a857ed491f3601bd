#include "engine/models/decoder.h"

#include <algorithm>
#include <cmath>

#include "engine/blocks/attention.h"
#include "engine/blocks/ffn.h"
#include "engine/blocks/latent.h"
#include "engine/blocks/linear.h"
#include "engine/blocks/norm.h"
#include "engine/models/rope.h"
#include "formats/try.h"

namespace siskin {
namespace {

void embed(StepContext& ctx) {
  ctx.enter(Part::embedding);
  const Tensor& table = ctx.weights.get(Slot::token_embd);
  size_t row = 0;
  for (const StepSlice& slice : ctx.plan.slices) {
    for (const int32_t token : slice.tokens) {
      float* x = ctx.act.residual.data() + row * ctx.spec.d_model;
      ctx.kernels.get_row({table.slices[0], static_cast<size_t>(token), x});
      if (ctx.spec.embedding_scale != 1.0f) {
        for (size_t j = 0; j < ctx.spec.d_model; ++j) x[j] *= ctx.spec.embedding_scale;
      }
      ++row;
    }
  }
}

}  // namespace

Error bad_model(const ModelFile& file, const std::string& what) {
  return {ErrorCode::corrupt_file, file.path().filename().string() + ": " + what};
}

Result<size_t> dimension(const ModelFile& file, const std::string& key) {
  SISKIN_TRY(const uint64_t value, file.metadata().u64(key));
  if (value == 0 || value > (1u << 20)) {
    return bad_model(file, key + ": " + std::to_string(value) + ", expected 1 to 1048576");
  }
  return static_cast<size_t>(value);
}

Result<float> positive_factor(const ModelFile& file, const std::string& key, float fallback) {
  SISKIN_TRY(const double value, file.metadata().f64_or(key, double{fallback}));
  if (!(value > 0) || value > 1e6) return bad_model(file, key + ": expected a number above 0, at most 1e6");
  return static_cast<float>(value);
}

Status parse_qkv_clamp(const ModelFile& file, ModelSpec& spec) {
  const std::string key = spec.architecture + ".attention.clamp_kqv";
  SISKIN_TRY(const double clamp, file.metadata().f64_or(key, 0.0));
  if (!(clamp >= 0) || clamp > 1e6) return bad_model(file, key + ": expected a number from 0 to 1e6");
  spec.qkv_clamp = static_cast<float>(clamp);
  return {};
}

Result<ModelSpec> parse_decoder(const ModelFile& file, const std::string& architecture, const RouterSpec& router) {
  const Metadata& meta = file.metadata();
  ModelSpec spec;
  spec.architecture = architecture;
  const std::string prefix = architecture + ".";
  SISKIN_TRY(spec.name, meta.string_or("general.name", file.path().stem().string()));
  SISKIN_TRY(spec.n_layers, dimension(file, prefix + "block_count"));
  SISKIN_TRY(spec.d_model, dimension(file, prefix + "embedding_length"));
  SISKIN_TRY(spec.n_heads, dimension(file, prefix + "attention.head_count"));
  SISKIN_TRY(spec.d_ff, dimension(file, prefix + "feed_forward_length"));
  SISKIN_TRY(spec.ctx_train, dimension(file, prefix + "context_length"));
  SISKIN_TRY(spec.n_kv_heads, meta.u64_or(prefix + "attention.head_count_kv", spec.n_heads));
  SISKIN_TRY(spec.head_dim, meta.u64_or(prefix + "attention.key_length", spec.d_model / spec.n_heads));
  const std::string about_zero = prefix + "attention.layer_norm_rms_epsilon",
                    about_mean = prefix + "attention.layer_norm_epsilon";
  const std::string& eps_key = meta.has(about_zero) ? about_zero : about_mean;
  SISKIN_TRY(const double eps, meta.f64_or(eps_key, 1e-5));
  if (!(eps >= 0) || eps > 1) return bad_model(file, eps_key + ": expected a number from 0 to 1");
  spec.rms_eps = static_cast<float>(eps);

  if (spec.n_kv_heads == 0 || spec.n_heads % spec.n_kv_heads != 0) {
    return bad_model(file, prefix + "attention.head_count_kv: " + std::to_string(spec.n_kv_heads) +
                               " does not divide head_count " + std::to_string(spec.n_heads));
  }
  if (spec.head_dim == 0 || spec.head_dim % 2 != 0 || spec.head_dim > kMaxHeadDim) {
    return bad_model(file, "head dimension " + std::to_string(spec.head_dim) + ", expected an even number up to " +
                               std::to_string(kMaxHeadDim));
  }
  spec.value_dim = spec.head_dim;
  spec.attention_scale = 1.0f / std::sqrt(static_cast<float>(spec.head_dim));
  spec.router = router;
  SISKIN_TRY_STATUS(parse_mixture(file, spec));
  const TensorView* embedding = file.find("token_embd.weight");
  if (embedding == nullptr) return bad_model(file, "token_embd.weight: missing");
  spec.n_vocab = embedding->rows();
  SISKIN_TRY_STATUS(parse_rope(file, spec));
  return spec;
}

Result<ModelSpec> parse_dense_decoder(const ModelFile& file, const std::string& architecture) {
  auto spec = parse_decoder(file, architecture, {});
  if (!spec || !spec->is_moe()) return spec;
  return Error{ErrorCode::unsupported, file.path().filename().string() + ": " + architecture + ".expert_count: " +
                                           std::to_string(spec->n_experts) + ", but " + architecture + " has no experts here"};
}

Result<ModelSpec> parse_mixture_decoder(const ModelFile& file, const std::string& architecture, const RouterSpec& router) {
  auto spec = parse_decoder(file, architecture, router);
  if (!spec || spec->is_moe()) return spec;
  return bad_model(file, architecture + ".expert_count: 0, expected at least 1");
}

void begin_step(StepContext& ctx) {
  const ModelSpec& spec = ctx.spec;
  const size_t n = ctx.plan.n_tokens();
  ctx.act.residual.resize(n * spec.d_model);
  ctx.act.delta.resize(n * spec.d_model);
  ctx.act.q.resize(n * spec.d_q());
  ctx.act.k.resize(n * spec.d_k());
  if (!spec.is_latent()) ctx.act.v.resize(n * spec.d_v());
  embed(ctx);
}

void project_qkv(StepContext& ctx, size_t layer) {
  const Tensor& wq = ctx.weights.get(Slot::attn_q, layer);
  const Tensor& wk = ctx.weights.get(Slot::attn_k, layer);
  const Tensor& wv = ctx.weights.get(Slot::attn_v, layer);
  const size_t n = ctx.plan.n_tokens();
  Activations& act = ctx.act;
  act.normed.resize(n, ctx.spec.d_model, reads_int8(ctx, wq, n) || reads_int8(ctx, wk, n) || reads_int8(ctx, wv, n));
  add_and_norm(ctx, n, layer == 0 ? Residual::keep : Residual::add_delta, ctx.weights.get(Slot::attn_norm, layer),
               ctx.weights.find(Slot::attn_norm_bias, layer), act.normed);
  ctx.enter(Part::qkv);
  const LinearJob qkv[] = {{&wq.slices[0], act.q.data()}, {&wk.slices[0], act.k.data()}, {&wv.slices[0], act.v.data()}};
  linear(ctx, act.normed, n, qkv);
}

void add_qkv_biases(StepContext& ctx, size_t layer) {
  if (const Tensor* bias = ctx.weights.find(Slot::attn_q_bias, layer)) add_bias(ctx, ctx.act.q, *bias);
  if (const Tensor* bias = ctx.weights.find(Slot::attn_k_bias, layer)) add_bias(ctx, ctx.act.k, *bias);
  if (const Tensor* bias = ctx.weights.find(Slot::attn_v_bias, layer)) add_bias(ctx, ctx.act.v, *bias);
}

void norm_qk(StepContext& ctx, size_t layer) {
  if (const Tensor* norm = ctx.weights.find(Slot::attn_q_norm, layer)) norm_rows(ctx, ctx.act.q, *norm);
  if (const Tensor* norm = ctx.weights.find(Slot::attn_k_norm, layer)) norm_rows(ctx, ctx.act.k, *norm);
}

void clamp_qkv(StepContext& ctx) {
  const float most = ctx.spec.qkv_clamp;
  if (most == 0) return;
  for (std::vector<float>* rows : {&ctx.act.q, &ctx.act.k, &ctx.act.v}) {
    for (float& value : *rows) value = std::clamp(value, -most, most);
  }
}

void attend_and_project(StepContext& ctx, size_t layer) {
  const Tensor& wo = ctx.weights.get(Slot::attn_output, layer);
  const size_t n = ctx.plan.n_tokens();
  ctx.act.attended.resize(n, ctx.spec.d_attended(), reads_int8(ctx, wo, n));
  attend(ctx, layer);
  if (ctx.spec.is_latent()) values_of_latents(ctx, layer);
  ctx.enter(Part::attn_output);
  const LinearJob output{&wo.slices[0], ctx.act.delta.data()};
  linear(ctx, ctx.act.attended, n, {&output, 1});
}

void feed_forward(StepContext& ctx, size_t layer) {
  const size_t n = ctx.plan.n_tokens();
  ctx.act.normed.resize(n, ctx.spec.d_model, ffn_reads_int8(ctx, layer, n));
  add_and_norm(ctx, n, Residual::add_delta, ctx.weights.get(Slot::ffn_norm, layer),
               ctx.weights.find(Slot::ffn_norm_bias, layer), ctx.act.normed);
  if (ctx.spec.is_moe(layer)) {
    moe_ffn(ctx, layer, n);
  } else {
    dense_ffn(ctx, layer, n);
  }
}

void predict(StepContext& ctx) {
  const size_t n = ctx.plan.n_logits(), d = ctx.spec.d_model;
  if (n == 0) return;
  const Tensor& head = ctx.weights.head();
  ctx.act.last.resize(n, d, reads_int8(ctx, head, n));
  ctx.act.logits.resize(n * ctx.spec.n_vocab);
  size_t row = 0, out = 0;
  for (const StepSlice& slice : ctx.plan.slices) {
    row += slice.tokens.size() - slice.n_logits;
    for (size_t i = 0; i < slice.n_logits; ++i, ++row, ++out) {
      std::copy_n(ctx.act.residual.data() + row * d, d, ctx.act.residual.data() + out * d);
      std::copy_n(ctx.act.delta.data() + row * d, d, ctx.act.delta.data() + out * d);
    }
  }
  add_and_norm(ctx, n, Residual::add_delta, ctx.weights.get(Slot::output_norm), ctx.weights.find(Slot::output_norm_bias),
               ctx.act.last);
  ctx.enter(Part::head);
  const LinearJob job{&head.slices[0], ctx.act.logits.data()};
  linear(ctx, ctx.act.last, n, {&job, 1});
  if (const Tensor* bias = ctx.weights.find(Slot::output_bias)) add_bias(ctx, ctx.act.logits, *bias);
  if (ctx.spec.logit_scale == 1.0f) return;
  for (float& logit : ctx.act.logits) logit *= ctx.spec.logit_scale;
}

void forward_decoder(StepContext& ctx) {
  begin_step(ctx);
  for (size_t layer = 0; layer < ctx.spec.n_layers; ++layer) {
    project_qkv(ctx, layer);
    attend_and_project(ctx, layer);
    feed_forward(ctx, layer);
  }
  predict(ctx);
}

}  // namespace siskin
