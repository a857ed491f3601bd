// The deepseek2 architecture: DeepSeek V2, V2-Lite, V3 and R1, Kimi-K2. Latent attention, dense first layers, then many small
// experts beside shared ones. V2 scores experts by a softmax, V3 by sigmoids with a bias for the choice; both may choose among the best
// groups of experts alone.
// Sources: DeepSeek-V2 (arXiv 2405.04434), DeepSeek-V3 (2412.19437), sections 2.1; tensor names and keys from llama.cpp's converter.

#include <cmath>

#include "engine/blocks/latent.h"
#include "engine/models/decoder.h"
#include "engine/models/family.h"
#include "engine/models/rope.h"
#include "formats/try.h"

namespace siskin {
namespace {

using namespace binding;

Status parse_latents(const ModelFile& file, ModelSpec& spec) {
  const Metadata& meta = file.metadata();
  SISKIN_TRY(spec.kv_rank, dimension(file, "deepseek2.attention.kv_lora_rank"));
  SISKIN_TRY(spec.q_rank, meta.u64_or("deepseek2.attention.q_lora_rank", 0));
  // Files whose kv_b is one matrix name a head's own widths, others those of the latents beside them.
  SISKIN_TRY(const uint64_t values, meta.u64_or("deepseek2.attention.value_length", spec.head_dim));
  SISKIN_TRY(spec.head_dim, meta.u64_or("deepseek2.attention.key_length_mla", spec.head_dim));
  SISKIN_TRY(spec.value_dim, meta.u64_or("deepseek2.attention.value_length_mla", values));
  if (spec.head_dim <= spec.n_rot || spec.head_dim > kMaxHeadDim || spec.value_dim == 0 || spec.value_dim > kMaxHeadDim ||
      spec.q_rank > (1u << 20)) {
    return bad_model(file, "deepseek2.attention: keys of " + std::to_string(spec.head_dim) + ", values of " +
                               std::to_string(spec.value_dim) + ", " + std::to_string(spec.n_rot) +
                               " rotated, queries of rank " + std::to_string(spec.q_rank));
  }
  if (spec.kv_rank + spec.n_rot > kMaxHeadDim) {
    return bad_model(file, "deepseek2.attention.kv_lora_rank: " + std::to_string(spec.kv_rank) + " and " +
                               std::to_string(spec.n_rot) + " rotated, expected together at most " + std::to_string(kMaxHeadDim));
  }
  spec.n_kv_heads = 1;
  return {};
}

// Contexts stretched by YaRN sharpen the scores, by the square of what queries and keys are sharpened by.
Status parse_scale(const ModelFile& file, ModelSpec& spec) {
  const Metadata& meta = file.metadata();
  const std::string scaling = "deepseek2.rope.scaling.";
  double scale = 1.0 / std::sqrt(static_cast<double>(spec.head_dim));
  SISKIN_TRY(const std::string kind, meta.string_or(scaling + "type", "none"));
  if (kind == "yarn") {
    SISKIN_TRY(const double factor, meta.f64_or(scaling + "factor", 1.0));
    SISKIN_TRY(const double multiplier, meta.f64_or(scaling + "yarn_log_multiplier", 0.0));
    const double magnitude = yarn_magnitude(factor, multiplier / 0.1);  // files hold a tenth of it
    scale *= magnitude * magnitude;
  }
  if (!(scale > 0) || scale > 1e6) return bad_model(file, scaling + "yarn_log_multiplier: expected a number from 0");
  spec.attention_scale = static_cast<float>(scale);
  return {};
}

Result<ModelSpec> parse(const ModelFile& file) {
  SISKIN_TRY(ModelSpec spec, parse_decoder(file, "deepseek2", {}));
  SISKIN_TRY_STATUS(parse_latents(file, spec));
  SISKIN_TRY_STATUS(parse_scale(file, spec));
  // GLM 4.7 Flash wears this architecture too, and files of it that do not name the score mean V3's; llama.cpp knows it likewise.
  const bool flash = (spec.n_layers == 47 || spec.n_layers == 48) && spec.n_vocab == 154880;
  if (flash && !file.metadata().has("deepseek2.expert_gating_func")) spec.router.score = RouterSpec::Score::sigmoid;
  // V2's groups go by their best expert, V3's by their two best.
  const bool softmax = spec.router.score == RouterSpec::Score::softmax;
  spec.router.group_score = softmax ? RouterSpec::GroupScore::largest : RouterSpec::GroupScore::two_largest;
  return spec;
}

Presence one_q(const ModelSpec& s, size_t) { return s.q_rank == 0 ? Presence::required : Presence::absent; }
Presence two_qs(const ModelSpec& s, size_t) { return s.q_rank > 0 ? Presence::required : Presence::absent; }
Presence bias(const ModelSpec& s, size_t layer) { return s.is_moe(layer) ? Presence::optional : Presence::absent; }
size_t q_rank(const ModelSpec& s) { return s.q_rank; }
size_t kv_rank(const ModelSpec& s) { return s.kv_rank; }
size_t latent(const ModelSpec& s) { return s.key_width(); }
size_t unrotated(const ModelSpec& s) { return s.head_dim - s.n_rot; }
size_t value_dim(const ModelSpec& s) { return s.value_dim; }

// clang-format off
constexpr Binding kBindings[] = {
    // file name                    slot                  kind              rows       cols        role                  presence
    {"token_embd.weight",           Slot::token_embd,     Binding::matrix,  n_vocab,   d_model,    Role::embedding,      always},
    {"output_norm.weight",          Slot::output_norm,    Binding::vector,  nullptr,   d_model,    Role::norms,          always},
    {"output.weight",               Slot::output,         Binding::matrix,  n_vocab,   d_model,    Role::head,           maybe},
    {"blk.*.attn_norm.weight",      Slot::attn_norm,      Binding::vector,  nullptr,   d_model,    Role::norms,          always},
    {"blk.*.attn_q.weight",         Slot::attn_q,         Binding::matrix,  d_q,       d_model,    Role::attention,      one_q},
    {"blk.*.attn_q_a.weight",       Slot::attn_q_a,       Binding::matrix,  q_rank,    d_model,    Role::attention,      two_qs},
    {"blk.*.attn_q_a_norm.weight",  Slot::attn_q_a_norm,  Binding::vector,  nullptr,   q_rank,     Role::norms,          two_qs},
    {"blk.*.attn_q_b.weight",       Slot::attn_q_b,       Binding::matrix,  d_q,       q_rank,     Role::attention,      two_qs},
    {"blk.*.attn_kv_a_mqa.weight",  Slot::attn_kv_a,      Binding::matrix,  latent,    d_model,    Role::attention,      always},
    {"blk.*.attn_kv_a_norm.weight", Slot::attn_kv_a_norm, Binding::vector,  nullptr,   kv_rank,    Role::norms,          always},
    {"blk.*.attn_k_b.weight",       Slot::attn_k_b,       Binding::heads,   kv_rank,   unrotated,  Role::attention,      always},
    {"blk.*.attn_v_b.weight",       Slot::attn_v_b,       Binding::heads,   value_dim, kv_rank,    Role::attention,      always},
    {"blk.*.attn_output.weight",    Slot::attn_output,    Binding::matrix,  d_model,   d_attended, Role::attention,      always},
    {"blk.*.ffn_norm.weight",       Slot::ffn_norm,       Binding::vector,  nullptr,   d_model,    Role::norms,          always},
    {"blk.*.ffn_gate.weight",       Slot::ffn_gate,       Binding::matrix,  d_ff,      d_model,    Role::ffn,            dense},
    {"blk.*.ffn_up.weight",         Slot::ffn_up,         Binding::matrix,  d_ff,      d_model,    Role::ffn,            dense},
    {"blk.*.ffn_down.weight",       Slot::ffn_down,       Binding::matrix,  d_model,   d_ff,       Role::ffn,            dense},
    {"blk.*.ffn_gate_inp.weight",   Slot::ffn_gate_inp,   Binding::matrix,  n_experts, d_model,    Role::router,         moe},
    {"blk.*.exp_probs_b.bias",      Slot::exp_probs_b,    Binding::vector,  nullptr,   n_experts,  Role::router,         bias},
    {"blk.*.ffn_gate_exps.weight",  Slot::ffn_gate_exps,  Binding::experts, d_expert,  d_model,    Role::experts,        moe},
    {"blk.*.ffn_up_exps.weight",    Slot::ffn_up_exps,    Binding::experts, d_expert,  d_model,    Role::experts,        moe},
    {"blk.*.ffn_down_exps.weight",  Slot::ffn_down_exps,  Binding::experts, d_model,   d_expert,   Role::experts,        moe},
    {"blk.*.ffn_gate_shexp.weight", Slot::ffn_gate_shexp, Binding::matrix,  d_shared,  d_model,    Role::shared_experts, shared},
    {"blk.*.ffn_up_shexp.weight",   Slot::ffn_up_shexp,   Binding::matrix,  d_shared,  d_model,    Role::shared_experts, shared},
    {"blk.*.ffn_down_shexp.weight", Slot::ffn_down_shexp, Binding::matrix,  d_model,   d_shared,   Role::shared_experts, shared},
};
// clang-format on

void forward(StepContext& ctx) {
  begin_step(ctx);
  for (size_t layer = 0; layer < ctx.spec.n_layers; ++layer) {
    project_latents(ctx, layer);
    attend_and_project(ctx, layer);
    feed_forward(ctx, layer);
  }
  predict(ctx);
}

}  // namespace

const Family kDeepseek2Family = {"deepseek2", parse, kBindings, forward};

}  // namespace siskin
