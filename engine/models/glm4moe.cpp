// The glm4moe architecture: GLM 4.5 and 4.6: half of each head is rotated, q, k and v may have biases and q and k norms, experts are
// chosen by their sigmoid score and a bias, the first layers are dense, and every token has its shared experts. The layers behind the
// last, which draft several tokens at once, are left out.
// Source: GLM-4.5 (arXiv 2508.06471), section 2.1; tensor names and keys from llama.cpp's converter.

#include "engine/models/decoder.h"
#include "engine/models/family.h"

namespace siskin {
namespace {

using namespace binding;

Result<ModelSpec> parse(const ModelFile& file) {
  return parse_mixture_decoder(file, "glm4moe", {.score = RouterSpec::Score::sigmoid});
}

// clang-format off
constexpr Binding kBindings[] = {
    // file name                            slot                       kind              rows       cols      role                  presence
    {"token_embd.weight",                   Slot::token_embd,          Binding::matrix,  n_vocab,   d_model,  Role::embedding,      always},
    {"output_norm.weight",                  Slot::output_norm,         Binding::vector,  nullptr,   d_model,  Role::norms,          always},
    {"output.weight",                       Slot::output,              Binding::matrix,  n_vocab,   d_model,  Role::head,           maybe},
    {"blk.*.attn_norm.weight",              Slot::attn_norm,           Binding::vector,  nullptr,   d_model,  Role::norms,          always},
    {"blk.*.attn_q.weight",                 Slot::attn_q,              Binding::matrix,  d_q,       d_model,  Role::attention,      always},
    {"blk.*.attn_k.weight",                 Slot::attn_k,              Binding::matrix,  d_k,       d_model,  Role::attention,      always},
    {"blk.*.attn_v.weight",                 Slot::attn_v,              Binding::matrix,  d_v,       d_model,  Role::attention,      always},
    {"blk.*.attn_q.bias",                   Slot::attn_q_bias,         Binding::vector,  nullptr,   d_q,      Role::attention,      maybe},
    {"blk.*.attn_k.bias",                   Slot::attn_k_bias,         Binding::vector,  nullptr,   d_k,      Role::attention,      maybe},
    {"blk.*.attn_v.bias",                   Slot::attn_v_bias,         Binding::vector,  nullptr,   d_v,      Role::attention,      maybe},
    {"blk.*.attn_q_norm.weight",            Slot::attn_q_norm,         Binding::vector,  nullptr,   head_dim, Role::norms,          maybe},
    {"blk.*.attn_k_norm.weight",            Slot::attn_k_norm,         Binding::vector,  nullptr,   head_dim, Role::norms,          maybe},
    {"blk.*.attn_output.weight",            Slot::attn_output,         Binding::matrix,  d_model,   d_q,      Role::attention,      always},
    {"blk.*.post_attention_norm.weight",    Slot::ffn_norm,            Binding::vector,  nullptr,   d_model,  Role::norms,          always},
    {"blk.*.ffn_gate.weight",               Slot::ffn_gate,            Binding::matrix,  d_ff,      d_model,  Role::ffn,            dense},
    {"blk.*.ffn_up.weight",                 Slot::ffn_up,              Binding::matrix,  d_ff,      d_model,  Role::ffn,            dense},
    {"blk.*.ffn_down.weight",               Slot::ffn_down,            Binding::matrix,  d_model,   d_ff,     Role::ffn,            dense},
    {"blk.*.ffn_gate_inp.weight",           Slot::ffn_gate_inp,        Binding::matrix,  n_experts, d_model,  Role::router,         moe},
    {"blk.*.exp_probs_b.bias",              Slot::exp_probs_b,         Binding::vector,  nullptr,   n_experts, Role::router,         moe},
    {"blk.*.ffn_gate_exps.weight",          Slot::ffn_gate_exps,       Binding::experts, d_expert,  d_model,  Role::experts,        moe},
    {"blk.*.ffn_up_exps.weight",            Slot::ffn_up_exps,         Binding::experts, d_expert,  d_model,  Role::experts,        moe},
    {"blk.*.ffn_down_exps.weight",          Slot::ffn_down_exps,       Binding::experts, d_model,   d_expert, Role::experts,        moe},
    {"blk.*.ffn_gate_shexp.weight",         Slot::ffn_gate_shexp,      Binding::matrix,  d_shared,  d_model,  Role::shared_experts, shared},
    {"blk.*.ffn_up_shexp.weight",           Slot::ffn_up_shexp,        Binding::matrix,  d_shared,  d_model,  Role::shared_experts, shared},
    {"blk.*.ffn_down_shexp.weight",         Slot::ffn_down_shexp,      Binding::matrix,  d_model,   d_shared, Role::shared_experts, shared},
};
// clang-format on

void forward(StepContext& ctx) {
  begin_step(ctx);
  for (size_t layer = 0; layer < ctx.spec.n_layers; ++layer) {
    project_qkv(ctx, layer);
    add_qkv_biases(ctx, layer);
    norm_qk(ctx, layer);
    attend_and_project(ctx, layer);
    feed_forward(ctx, layer);
  }
  predict(ctx);
}

}  // namespace

const Family kGlm4MoeFamily = {"glm4moe", parse, kBindings, forward};

}  // namespace siskin
