// DBRX: Llama's layers with norms about the mean, q, k and v kept within bounds, and experts in every layer whose weights are
// their share of a softmax over all, normalised.
// Source: databricks/dbrx and transformers' models/dbrx; tensor names and keys from llama.cpp's converter.

#include "engine/models/decoder.h"
#include "engine/models/family.h"
#include "formats/try.h"

namespace siskin {
namespace {

using namespace binding;

Result<ModelSpec> parse(const ModelFile& file) {
  SISKIN_TRY(ModelSpec spec, parse_mixture_decoder(file, "dbrx", {.normalise = true}));
  SISKIN_TRY_STATUS(parse_qkv_clamp(file, spec));
  spec.layer_norm = true;
  return spec;
}

// clang-format off
constexpr Binding kBindings[] = {
    // file name                       slot                 kind              rows       cols        role             presence
    {"token_embd.weight",              Slot::token_embd,    Binding::matrix,  n_vocab,   d_model,    Role::embedding, always},
    {"output_norm.weight",             Slot::output_norm,   Binding::vector,  nullptr,   d_model,    Role::norms,     always},
    {"output.weight",                  Slot::output,        Binding::matrix,  n_vocab,   d_model,    Role::head,      always},
    {"blk.*.attn_norm.weight",         Slot::attn_norm,     Binding::vector,  nullptr,   d_model,    Role::norms,     always},
    {"blk.*.attn_q.weight",            Slot::attn_q,        Binding::matrix,  d_q,       d_model,    Role::attention, always},
    {"blk.*.attn_k.weight",            Slot::attn_k,        Binding::matrix,  d_k,       d_model,    Role::attention, always},
    {"blk.*.attn_v.weight",            Slot::attn_v,        Binding::matrix,  d_v,       d_model,    Role::attention, always},
    {"blk.*.attn_output.weight",       Slot::attn_output,   Binding::matrix,  d_model,   d_attended, Role::attention, always},
    {"blk.*.attn_output_norm.weight",  Slot::ffn_norm,      Binding::vector,  nullptr,   d_model,    Role::norms,     always},
    {"blk.*.ffn_gate_inp.weight",      Slot::ffn_gate_inp,  Binding::matrix,  n_experts, d_model,    Role::router,    always},
    {"blk.*.ffn_gate_exps.weight",     Slot::ffn_gate_exps, Binding::experts, d_expert,  d_model,    Role::experts,   always},
    {"blk.*.ffn_up_exps.weight",       Slot::ffn_up_exps,   Binding::experts, d_expert,  d_model,    Role::experts,   always},
    {"blk.*.ffn_down_exps.weight",     Slot::ffn_down_exps, Binding::experts, d_model,   d_expert,   Role::experts,   always},
};
// clang-format on

void forward(StepContext& ctx) {
  begin_step(ctx);
  for (size_t layer = 0; layer < ctx.spec.n_layers; ++layer) {
    project_qkv(ctx, layer);
    clamp_qkv(ctx);
    attend_and_project(ctx, layer);
    feed_forward(ctx, layer);
  }
  predict(ctx);
}

}  // namespace

const Family kDbrxFamily = {"dbrx", parse, kBindings, forward};

}  // namespace siskin
