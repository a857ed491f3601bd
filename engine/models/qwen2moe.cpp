// The qwen2moe architecture: the mixtures of Qwen 1.5 and 2: biases on q, k and v, experts that keep their share of a softmax over all,
// and a shared expert behind a sigmoid gate.
// Source: Qwen2 Technical Report (arXiv 2407.10671), section 2.2.2; tensor names and keys from the GGUF specification.

#include "engine/models/decoder.h"
#include "engine/models/family.h"
#include "formats/try.h"

namespace siskin {
namespace {

using namespace binding;

Result<ModelSpec> parse(const ModelFile& file) {
  SISKIN_TRY(ModelSpec spec, parse_mixture_decoder(file, "qwen2moe", {}));
  assume_shared_expert(spec, spec.d_ff);
  return spec;
}

// clang-format off
constexpr Binding kBindings[] = {
    // file name                            slot                       kind                     rows       cols      role                  presence
    {"token_embd.weight",                   Slot::token_embd,          Binding::matrix,         n_vocab,   d_model,  Role::embedding,      always},
    {"output_norm.weight",                  Slot::output_norm,         Binding::vector,         nullptr,   d_model,  Role::norms,          always},
    {"output.weight",                       Slot::output,              Binding::matrix,         n_vocab,   d_model,  Role::head,           maybe},
    {"blk.*.attn_norm.weight",              Slot::attn_norm,           Binding::vector,         nullptr,   d_model,  Role::norms,          always},
    {"blk.*.attn_q.weight",                 Slot::attn_q,              Binding::matrix,         d_q,       d_model,  Role::attention,      always},
    {"blk.*.attn_k.weight",                 Slot::attn_k,              Binding::matrix,         d_k,       d_model,  Role::attention,      always},
    {"blk.*.attn_v.weight",                 Slot::attn_v,              Binding::matrix,         d_v,       d_model,  Role::attention,      always},
    {"blk.*.attn_q.bias",                   Slot::attn_q_bias,         Binding::vector,         nullptr,   d_q,      Role::attention,      always},
    {"blk.*.attn_k.bias",                   Slot::attn_k_bias,         Binding::vector,         nullptr,   d_k,      Role::attention,      always},
    {"blk.*.attn_v.bias",                   Slot::attn_v_bias,         Binding::vector,         nullptr,   d_v,      Role::attention,      always},
    {"blk.*.attn_output.weight",            Slot::attn_output,         Binding::matrix,         d_model,   d_q,      Role::attention,      always},
    {"blk.*.ffn_norm.weight",               Slot::ffn_norm,            Binding::vector,         nullptr,   d_model,  Role::norms,          always},
    {"blk.*.ffn_gate.weight",               Slot::ffn_gate,            Binding::matrix,         d_ff,      d_model,  Role::ffn,            dense},
    {"blk.*.ffn_up.weight",                 Slot::ffn_up,              Binding::matrix,         d_ff,      d_model,  Role::ffn,            dense},
    {"blk.*.ffn_down.weight",               Slot::ffn_down,            Binding::matrix,         d_model,   d_ff,     Role::ffn,            dense},
    {"blk.*.ffn_gate_inp.weight",           Slot::ffn_gate_inp,        Binding::matrix,         n_experts, d_model,  Role::router,         moe},
    {"blk.*.ffn_gate_exps.weight",          Slot::ffn_gate_exps,       Binding::experts,        d_expert,  d_model,  Role::experts,        moe},
    {"blk.*.ffn_up_exps.weight",            Slot::ffn_up_exps,         Binding::experts,        d_expert,  d_model,  Role::experts,        moe},
    {"blk.*.ffn_down_exps.weight",          Slot::ffn_down_exps,       Binding::experts,        d_model,   d_expert, Role::experts,        moe},
    {"blk.*.ffn_gate_inp_shexp.weight",     Slot::ffn_gate_inp_shexp,  Binding::vector,         nullptr,   d_model,  Role::shared_experts, shared},
    {"blk.*.ffn_gate_shexp.weight",         Slot::ffn_gate_shexp,      Binding::matrix,         d_shared,  d_model,  Role::shared_experts, shared},
    {"blk.*.ffn_up_shexp.weight",           Slot::ffn_up_shexp,        Binding::matrix,         d_shared,  d_model,  Role::shared_experts, shared},
    {"blk.*.ffn_down_shexp.weight",         Slot::ffn_down_shexp,      Binding::matrix,         d_model,   d_shared, Role::shared_experts, shared},
};
// clang-format on

void forward(StepContext& ctx) {
  begin_step(ctx);
  for (size_t layer = 0; layer < ctx.spec.n_layers; ++layer) {
    project_qkv(ctx, layer);
    add_qkv_biases(ctx, layer);
    attend_and_project(ctx, layer);
    feed_forward(ctx, layer);
  }
  predict(ctx);
}

}  // namespace

const Family kQwen2MoeFamily = {"qwen2moe", parse, kBindings, forward};

}  // namespace siskin
