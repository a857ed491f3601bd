// The qwen3moe architecture: the mixtures of Qwen 3: every head of q and k normalised, no biases, and experts weighted by their share
// of the chosen ones.
// Source: Qwen3 Technical Report (arXiv 2505.09388), section 2; tensor names and keys from the GGUF specification.

#include "engine/models/decoder.h"
#include "engine/models/family.h"

namespace siskin {
namespace {

using namespace binding;

Result<ModelSpec> parse(const ModelFile& file) { return parse_mixture_decoder(file, "qwen3moe", {.normalise = true}); }

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
    {"blk.*.attn_q_norm.weight",            Slot::attn_q_norm,         Binding::vector,         nullptr,   head_dim, Role::norms,          always},
    {"blk.*.attn_k_norm.weight",            Slot::attn_k_norm,         Binding::vector,         nullptr,   head_dim, Role::norms,          always},
    {"blk.*.attn_output.weight",            Slot::attn_output,         Binding::matrix,         d_model,   d_q,      Role::attention,      always},
    {"blk.*.ffn_norm.weight",               Slot::ffn_norm,            Binding::vector,         nullptr,   d_model,  Role::norms,          always},
    {"blk.*.ffn_gate.weight",               Slot::ffn_gate,            Binding::matrix,         d_ff,      d_model,  Role::ffn,            dense},
    {"blk.*.ffn_up.weight",                 Slot::ffn_up,              Binding::matrix,         d_ff,      d_model,  Role::ffn,            dense},
    {"blk.*.ffn_down.weight",               Slot::ffn_down,            Binding::matrix,         d_model,   d_ff,     Role::ffn,            dense},
    {"blk.*.ffn_gate_inp.weight",           Slot::ffn_gate_inp,        Binding::matrix,         n_experts, d_model,  Role::router,         moe},
    {"blk.*.ffn_gate_exps.weight",          Slot::ffn_gate_exps,       Binding::experts,        d_expert,  d_model,  Role::experts,        moe},
    {"blk.*.ffn_up_exps.weight",            Slot::ffn_up_exps,         Binding::experts,        d_expert,  d_model,  Role::experts,        moe},
    {"blk.*.ffn_down_exps.weight",          Slot::ffn_down_exps,       Binding::experts,        d_model,   d_expert, Role::experts,        moe},
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

const Family kQwen3MoeFamily = {"qwen3moe", parse, kBindings, forward};

}  // namespace siskin
