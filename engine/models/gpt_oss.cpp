// The gpt-oss architecture: grouped attention with biases everywhere, a sink per head, and windows on every other layer; mixtures
// chosen by logits and weighted by a softmax of the chosen, whose SwiGLU is clamped.
// Sources: gpt-oss-120b & gpt-oss-20b Model Card (arXiv 2508.10925), section 2; tensor names and keys from llama.cpp's converter.

#include "engine/blocks/linear.h"
#include "engine/models/decoder.h"
#include "engine/models/family.h"
#include "formats/try.h"

namespace siskin {
namespace {

using namespace binding;

Result<ModelSpec> parse(const ModelFile& file) {
  RouterSpec router;
  router.score = RouterSpec::Score::softmax_of_chosen;
  SISKIN_TRY(ModelSpec spec, parse_decoder(file, "gpt-oss", router));
  if (!spec.is_moe()) return bad_model(file, "gpt-oss.expert_count: 0, expected at least 1");
  SISKIN_TRY(spec.window, dimension(file, "gpt-oss.attention.sliding_window"));
  spec.window_period = 2;
  spec.local_rope = spec.rope;
  spec.activation = FfnActivation::clamped_swiglu;
  return spec;
}

size_t n_heads(const ModelSpec& s) { return s.n_heads; }

// clang-format off
constexpr Binding kBindings[] = {
    // file name                         slot                      kind                     rows       cols        role             presence
    {"token_embd.weight",                Slot::token_embd,         Binding::matrix,         n_vocab,   d_model,    Role::embedding, always},
    {"output_norm.weight",               Slot::output_norm,        Binding::vector,         nullptr,   d_model,    Role::norms,     always},
    {"output.weight",                    Slot::output,             Binding::matrix,         n_vocab,   d_model,    Role::head,      maybe},
    {"blk.*.attn_norm.weight",           Slot::attn_norm,          Binding::vector,         nullptr,   d_model,    Role::norms,     always},
    {"blk.*.attn_q.weight",              Slot::attn_q,             Binding::matrix,         d_q,       d_model,    Role::attention, always},
    {"blk.*.attn_k.weight",              Slot::attn_k,             Binding::matrix,         d_k,       d_model,    Role::attention, always},
    {"blk.*.attn_v.weight",              Slot::attn_v,             Binding::matrix,         d_v,       d_model,    Role::attention, always},
    {"blk.*.attn_q.bias",                Slot::attn_q_bias,        Binding::vector,         nullptr,   d_q,        Role::attention, always},
    {"blk.*.attn_k.bias",                Slot::attn_k_bias,        Binding::vector,         nullptr,   d_k,        Role::attention, always},
    {"blk.*.attn_v.bias",                Slot::attn_v_bias,        Binding::vector,         nullptr,   d_v,        Role::attention, always},
    {"blk.*.attn_sinks.weight",          Slot::attn_sinks,         Binding::vector,         nullptr,   n_heads,    Role::attention, always},
    {"blk.*.attn_output.weight",         Slot::attn_output,        Binding::matrix,         d_model,   d_attended, Role::attention, always},
    {"blk.*.attn_output.bias",           Slot::attn_output_bias,   Binding::vector,         nullptr,   d_model,    Role::attention, always},
    {"blk.*.post_attention_norm.weight", Slot::ffn_norm,           Binding::vector,         nullptr,   d_model,    Role::norms,     always},
    {"blk.*.ffn_gate_inp.weight",        Slot::ffn_gate_inp,       Binding::matrix,         n_experts, d_model,    Role::router,    always},
    {"blk.*.ffn_gate_inp.bias",          Slot::ffn_gate_inp_bias,  Binding::vector,         nullptr,   n_experts,  Role::router,    always},
    {"blk.*.ffn_gate_exps.weight",       Slot::ffn_gate_exps,      Binding::experts,        d_expert,  d_model,    Role::experts,   always},
    {"blk.*.ffn_up_exps.weight",         Slot::ffn_up_exps,        Binding::experts,        d_expert,  d_model,    Role::experts,   always},
    {"blk.*.ffn_down_exps.weight",       Slot::ffn_down_exps,      Binding::experts,        d_model,   d_expert,   Role::experts,   always},
    {"blk.*.ffn_gate_exps.bias",         Slot::ffn_gate_exps_bias, Binding::expert_vectors, nullptr,   d_expert,   Role::experts,   always},
    {"blk.*.ffn_up_exps.bias",           Slot::ffn_up_exps_bias,   Binding::expert_vectors, nullptr,   d_expert,   Role::experts,   always},
    {"blk.*.ffn_down_exps.bias",         Slot::ffn_down_exps_bias, Binding::expert_vectors, nullptr,   d_model,    Role::experts,   always},
};
// clang-format on

void forward(StepContext& ctx) {
  begin_step(ctx);
  for (size_t layer = 0; layer < ctx.spec.n_layers; ++layer) {
    project_qkv(ctx, layer);
    add_qkv_biases(ctx, layer);
    attend_and_project(ctx, layer);
    add_bias(ctx, ctx.act.delta, ctx.weights.get(Slot::attn_output_bias, layer));
    feed_forward(ctx, layer);
  }
  predict(ctx);
}

}  // namespace

const Family kGptOssFamily = {"gpt-oss", parse, kBindings, forward};

}  // namespace siskin
