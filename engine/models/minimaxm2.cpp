// The minimax-m2 architecture: MiniMax-M2: q and k are normalised as whole rows, part of each head is rotated, and experts are chosen by
// their sigmoid score and a bias.
// Source: MiniMax-M2 (MiniMax, 2025), transformers' models/minimax_m2; tensor names and keys from llama.cpp's converter.

#include "engine/models/decoder.h"
#include "engine/models/family.h"

namespace siskin {
namespace {

using namespace binding;

Result<ModelSpec> parse(const ModelFile& file) {
  return parse_mixture_decoder(file, "minimax-m2", {.score = RouterSpec::Score::sigmoid, .normalise = true});
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
    {"blk.*.attn_q_norm.weight",            Slot::attn_q_norm,         Binding::vector,  nullptr,   d_q,      Role::norms,          always},
    {"blk.*.attn_k_norm.weight",            Slot::attn_k_norm,         Binding::vector,  nullptr,   d_k,      Role::norms,          always},
    {"blk.*.attn_output.weight",            Slot::attn_output,         Binding::matrix,  d_model,   d_q,      Role::attention,      always},
    {"blk.*.ffn_norm.weight",               Slot::ffn_norm,            Binding::vector,  nullptr,   d_model,  Role::norms,          always},
    {"blk.*.ffn_gate_inp.weight",           Slot::ffn_gate_inp,        Binding::matrix,  n_experts, d_model,  Role::router,         moe},
    {"blk.*.exp_probs_b.bias",              Slot::exp_probs_b,         Binding::vector,  nullptr,   n_experts, Role::router,         moe},
    {"blk.*.ffn_gate_exps.weight",          Slot::ffn_gate_exps,       Binding::experts, d_expert,  d_model,  Role::experts,        moe},
    {"blk.*.ffn_up_exps.weight",            Slot::ffn_up_exps,         Binding::experts, d_expert,  d_model,  Role::experts,        moe},
    {"blk.*.ffn_down_exps.weight",          Slot::ffn_down_exps,       Binding::experts, d_model,   d_expert, Role::experts,        moe},
};
// clang-format on

void forward(StepContext& ctx) {
  begin_step(ctx);
  for (size_t layer = 0; layer < ctx.spec.n_layers; ++layer) {
    project_qkv(ctx, layer);
    norm_qk(ctx, layer);
    attend_and_project(ctx, layer);
    feed_forward(ctx, layer);
  }
  predict(ctx);
}

}  // namespace

const Family kMiniMaxM2Family = {"minimax-m2", parse, kBindings, forward};

}  // namespace siskin
