// The phimoe architecture: Phi-3.5-MoE: norms about the mean with biases, biases in attention and behind the head, and two
// experts that are chosen and weighted one after the other, each by a softmax that its close rivals alone take part in. The
// weights do not add up to 1. Sources: GRIN (arXiv 2409.12136), section 2.2, and transformers' models/phimoe; tensor names and
// keys from llama.cpp's converter. llama.cpp itself normalises about zero and weighs experts by a softmax of the two chosen,
// neither of which the model was trained with: with "phimoe.expert_gating_func" 3 a file routes so here too.

#include "engine/blocks/linear.h"
#include "engine/models/decoder.h"
#include "engine/models/family.h"
#include "formats/try.h"

namespace siskin {
namespace {

using namespace binding;

Result<ModelSpec> parse(const ModelFile& file) {
  SISKIN_TRY(ModelSpec spec, parse_mixture_decoder(file, "phimoe", {.score = RouterSpec::Score::sparse_mixer}));
  SISKIN_TRY(spec.router.jitter, positive_factor(file, "phimoe.expert_router_jitter", spec.router.jitter));
  spec.layer_norm = true;
  return spec;
}

// clang-format off
constexpr Binding kBindings[] = {
    // file name                     slot                     kind              rows       cols        role             presence
    {"token_embd.weight",            Slot::token_embd,        Binding::matrix,  n_vocab,   d_model,    Role::embedding, always},
    {"output_norm.weight",           Slot::output_norm,       Binding::vector,  nullptr,   d_model,    Role::norms,     always},
    {"output_norm.bias",             Slot::output_norm_bias,  Binding::vector,  nullptr,   d_model,    Role::norms,     always},
    {"output.weight",                Slot::output,            Binding::matrix,  n_vocab,   d_model,    Role::head,      maybe},
    {"output.bias",                  Slot::output_bias,       Binding::vector,  nullptr,   n_vocab,    Role::head,      maybe},
    {"blk.*.attn_norm.weight",       Slot::attn_norm,         Binding::vector,  nullptr,   d_model,    Role::norms,     always},
    {"blk.*.attn_norm.bias",         Slot::attn_norm_bias,    Binding::vector,  nullptr,   d_model,    Role::norms,     always},
    {"blk.*.attn_q.weight",          Slot::attn_q,            Binding::matrix,  d_q,       d_model,    Role::attention, always},
    {"blk.*.attn_k.weight",          Slot::attn_k,            Binding::matrix,  d_k,       d_model,    Role::attention, always},
    {"blk.*.attn_v.weight",          Slot::attn_v,            Binding::matrix,  d_v,       d_model,    Role::attention, always},
    {"blk.*.attn_q.bias",            Slot::attn_q_bias,       Binding::vector,  nullptr,   d_q,        Role::attention, maybe},
    {"blk.*.attn_k.bias",            Slot::attn_k_bias,       Binding::vector,  nullptr,   d_k,        Role::attention, maybe},
    {"blk.*.attn_v.bias",            Slot::attn_v_bias,       Binding::vector,  nullptr,   d_v,        Role::attention, maybe},
    {"blk.*.attn_output.weight",     Slot::attn_output,       Binding::matrix,  d_model,   d_attended, Role::attention, always},
    {"blk.*.attn_output.bias",       Slot::attn_output_bias,  Binding::vector,  nullptr,   d_model,    Role::attention, maybe},
    {"blk.*.ffn_norm.weight",        Slot::ffn_norm,          Binding::vector,  nullptr,   d_model,    Role::norms,     always},
    {"blk.*.ffn_norm.bias",          Slot::ffn_norm_bias,     Binding::vector,  nullptr,   d_model,    Role::norms,     always},
    {"blk.*.ffn_gate_inp.weight",    Slot::ffn_gate_inp,      Binding::matrix,  n_experts, d_model,    Role::router,    always},
    {"blk.*.ffn_gate_exps.weight",   Slot::ffn_gate_exps,     Binding::experts, d_expert,  d_model,    Role::experts,   always},
    {"blk.*.ffn_up_exps.weight",     Slot::ffn_up_exps,       Binding::experts, d_expert,  d_model,    Role::experts,   always},
    {"blk.*.ffn_down_exps.weight",   Slot::ffn_down_exps,     Binding::experts, d_model,   d_expert,   Role::experts,   always},
};
// clang-format on

void forward(StepContext& ctx) {
  begin_step(ctx);
  for (size_t layer = 0; layer < ctx.spec.n_layers; ++layer) {
    project_qkv(ctx, layer);
    add_qkv_biases(ctx, layer);
    attend_and_project(ctx, layer);
    if (const Tensor* bias = ctx.weights.find(Slot::attn_output_bias, layer)) add_bias(ctx, ctx.act.delta, *bias);
    feed_forward(ctx, layer);
  }
  predict(ctx);
}

}  // namespace

const Family kPhimoeFamily = {"phimoe", parse, kBindings, forward};

}  // namespace siskin
