// OLMoE: Llama's layers, but q and k are normalised as whole rows before they are cut into heads, every layer has experts, and
// the chosen ones keep their share of a softmax over all.
// Source: OLMoE (arXiv 2409.02060); transformers' models/olmoe.

#include "engine/models/decoder.h"
#include "engine/models/family.h"
#include "formats/try.h"

namespace siskin {
namespace {

using namespace binding;

Result<ModelSpec> parse(const ModelFile& file) {
  SISKIN_TRY(ModelSpec spec, parse_mixture_decoder(file, "olmoe", {}));
  SISKIN_TRY_STATUS(parse_qkv_clamp(file, spec));
  return spec;
}

// clang-format off
constexpr Binding kBindings[] = {
    // file name                   slot                 kind              rows       cols     role             presence
    {"token_embd.weight",          Slot::token_embd,    Binding::matrix,  n_vocab,   d_model, Role::embedding, always},
    {"output_norm.weight",         Slot::output_norm,   Binding::vector,  nullptr,   d_model, Role::norms,     always},
    {"output.weight",              Slot::output,        Binding::matrix,  n_vocab,   d_model, Role::head,      always},
    {"blk.*.attn_norm.weight",     Slot::attn_norm,     Binding::vector,  nullptr,   d_model, Role::norms,     always},
    {"blk.*.attn_q.weight",        Slot::attn_q,        Binding::matrix,  d_q,       d_model, Role::attention, always},
    {"blk.*.attn_k.weight",        Slot::attn_k,        Binding::matrix,  d_k,       d_model, Role::attention, always},
    {"blk.*.attn_v.weight",        Slot::attn_v,        Binding::matrix,  d_v,       d_model, Role::attention, always},
    {"blk.*.attn_q_norm.weight",   Slot::attn_q_norm,   Binding::vector,  nullptr,   d_q,     Role::norms,     always},
    {"blk.*.attn_k_norm.weight",   Slot::attn_k_norm,   Binding::vector,  nullptr,   d_k,     Role::norms,     always},
    {"blk.*.attn_output.weight",   Slot::attn_output,   Binding::matrix,  d_model,   d_q,     Role::attention, always},
    {"blk.*.ffn_norm.weight",      Slot::ffn_norm,      Binding::vector,  nullptr,   d_model, Role::norms,     always},
    {"blk.*.ffn_gate_inp.weight",  Slot::ffn_gate_inp,  Binding::matrix,  n_experts, d_model, Role::router,    always},
    {"blk.*.ffn_gate_exps.weight", Slot::ffn_gate_exps, Binding::experts, d_expert,  d_model, Role::experts,   always},
    {"blk.*.ffn_up_exps.weight",   Slot::ffn_up_exps,   Binding::experts, d_expert,  d_model, Role::experts,   always},
    {"blk.*.ffn_down_exps.weight", Slot::ffn_down_exps, Binding::experts, d_model,   d_expert, Role::experts,   always},
};
// clang-format on

void forward(StepContext& ctx) {
  begin_step(ctx);
  for (size_t layer = 0; layer < ctx.spec.n_layers; ++layer) {
    project_qkv(ctx, layer);
    norm_qk(ctx, layer);
    clamp_qkv(ctx);
    attend_and_project(ctx, layer);
    feed_forward(ctx, layer);
  }
  predict(ctx);
}

}  // namespace

const Family kOlmoeFamily = {"olmoe", parse, kBindings, forward};

}  // namespace siskin
