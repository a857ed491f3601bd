// The granitemoe architecture: the mixtures of Granite 3: the llama block with factors on embeddings, attention, residuals and logits,
// and in some files a shared expert.
// Source: Granite 3.0 Language Models (IBM, 2024), section 2; tensor names and keys from llama.cpp's converter.

#include "engine/models/decoder.h"
#include "engine/models/family.h"
#include "formats/try.h"

namespace siskin {
namespace {

using namespace binding;

Result<ModelSpec> parse(const ModelFile& file) {
  SISKIN_TRY(ModelSpec spec, parse_mixture_decoder(file, "granitemoe", {.score = RouterSpec::Score::softmax_of_chosen}));
  SISKIN_TRY(spec.embedding_scale, positive_factor(file, "granitemoe.embedding_scale", 1.0f));
  SISKIN_TRY(spec.residual_scale, positive_factor(file, "granitemoe.residual_scale", 1.0f));
  SISKIN_TRY(spec.attention_scale, positive_factor(file, "granitemoe.attention.scale", spec.attention_scale));
  SISKIN_TRY(const float divisor, positive_factor(file, "granitemoe.logit_scale", 1.0f));
  spec.logit_scale = 1.0f / divisor;
  return spec;
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
    {"blk.*.attn_output.weight",            Slot::attn_output,         Binding::matrix,  d_model,   d_q,      Role::attention,      always},
    {"blk.*.ffn_norm.weight",               Slot::ffn_norm,            Binding::vector,  nullptr,   d_model,  Role::norms,          always},
    {"blk.*.ffn_gate_inp.weight",           Slot::ffn_gate_inp,        Binding::matrix,  n_experts, d_model,  Role::router,         moe},
    {"blk.*.ffn_gate_exps.weight",          Slot::ffn_gate_exps,       Binding::experts, d_expert,  d_model,  Role::experts,        moe},
    {"blk.*.ffn_up_exps.weight",            Slot::ffn_up_exps,         Binding::experts, d_expert,  d_model,  Role::experts,        moe},
    {"blk.*.ffn_down_exps.weight",          Slot::ffn_down_exps,       Binding::experts, d_model,   d_expert, Role::experts,        moe},
    {"blk.*.ffn_gate_shexp.weight",         Slot::ffn_gate_shexp,      Binding::matrix,  d_shared,  d_model,  Role::shared_experts, shared},
    {"blk.*.ffn_up_shexp.weight",           Slot::ffn_up_shexp,        Binding::matrix,  d_shared,  d_model,  Role::shared_experts, shared},
    {"blk.*.ffn_down_shexp.weight",         Slot::ffn_down_shexp,      Binding::matrix,  d_model,   d_shared, Role::shared_experts, shared},
};
// clang-format on

}  // namespace

const Family kGraniteMoeFamily = {"granitemoe", parse, kBindings, forward_decoder};

}  // namespace siskin
