// The ernie4_5-moe architecture: ERNIE 4.5: llama's layers, of which the first are dense and others only where a step says so; experts are
// chosen by a softmax and a bias, and every token has its shared experts.
// Source: ERNIE 4.5 Technical Report (Baidu, 2025), section 2; tensor names and keys from llama.cpp's converter.

#include "engine/models/decoder.h"
#include "engine/models/family.h"

namespace siskin {
namespace {

using namespace binding;

Result<ModelSpec> parse(const ModelFile& file) { return parse_mixture_decoder(file, "ernie4_5-moe", {.normalise = true}); }

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
    {"blk.*.attn_output.weight",            Slot::attn_output,         Binding::matrix,  d_model,   d_q,      Role::attention,      always},
    {"blk.*.ffn_norm.weight",               Slot::ffn_norm,            Binding::vector,  nullptr,   d_model,  Role::norms,          always},
    {"blk.*.ffn_gate.weight",               Slot::ffn_gate,            Binding::matrix,  d_ff,      d_model,  Role::ffn,            dense},
    {"blk.*.ffn_up.weight",                 Slot::ffn_up,              Binding::matrix,  d_ff,      d_model,  Role::ffn,            dense},
    {"blk.*.ffn_down.weight",               Slot::ffn_down,            Binding::matrix,  d_model,   d_ff,     Role::ffn,            dense},
    {"blk.*.ffn_gate_inp.weight",           Slot::ffn_gate_inp,        Binding::matrix,  n_experts, d_model,  Role::router,         moe},
    {"blk.*.exp_probs_b.bias",              Slot::exp_probs_b,         Binding::vector,  nullptr,   n_experts, Role::router,         moe_maybe},
    {"blk.*.ffn_gate_exps.weight",          Slot::ffn_gate_exps,       Binding::experts, d_expert,  d_model,  Role::experts,        moe},
    {"blk.*.ffn_up_exps.weight",            Slot::ffn_up_exps,         Binding::experts, d_expert,  d_model,  Role::experts,        moe},
    {"blk.*.ffn_down_exps.weight",          Slot::ffn_down_exps,       Binding::experts, d_model,   d_expert, Role::experts,        moe},
    {"blk.*.ffn_gate_shexp.weight",         Slot::ffn_gate_shexp,      Binding::matrix,  d_shared,  d_model,  Role::shared_experts, shared},
    {"blk.*.ffn_up_shexp.weight",           Slot::ffn_up_shexp,        Binding::matrix,  d_shared,  d_model,  Role::shared_experts, shared},
    {"blk.*.ffn_down_shexp.weight",         Slot::ffn_down_shexp,      Binding::matrix,  d_model,   d_shared, Role::shared_experts, shared},
};
// clang-format on

}  // namespace

const Family kErnie45MoeFamily = {"ernie4_5-moe", parse, kBindings, forward_decoder};

}  // namespace siskin
