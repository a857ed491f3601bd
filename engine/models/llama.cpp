// The llama architecture: Llama, Mistral and, with experts, Mixtral.
// Sources: LLaMA (arXiv 2302.13971), Mixtral of Experts (arXiv 2401.04088); tensor names and keys from the GGUF specification.

#include "engine/models/decoder.h"
#include "engine/models/family.h"

namespace siskin {
namespace {

using namespace binding;

Result<ModelSpec> parse(const ModelFile& file) {
  return parse_decoder(file, "llama", {.score = RouterSpec::Score::softmax_of_chosen});
}

constexpr Binding kBindings[] = {
    // file name                   slot                 kind              rows       cols     role             presence
    {"token_embd.weight", Slot::token_embd, Binding::matrix, n_vocab, d_model, Role::embedding, always},
    {"output_norm.weight", Slot::output_norm, Binding::vector, nullptr, d_model, Role::norms, always},
    {"output.weight", Slot::output, Binding::matrix, n_vocab, d_model, Role::head, maybe},
    {"blk.*.attn_norm.weight", Slot::attn_norm, Binding::vector, nullptr, d_model, Role::norms, always},
    {"blk.*.attn_q.weight", Slot::attn_q, Binding::matrix, d_q, d_model, Role::attention, always},
    {"blk.*.attn_k.weight", Slot::attn_k, Binding::matrix, d_k, d_model, Role::attention, always},
    {"blk.*.attn_v.weight", Slot::attn_v, Binding::matrix, d_v, d_model, Role::attention, always},
    {"blk.*.attn_output.weight", Slot::attn_output, Binding::matrix, d_model, d_q, Role::attention, always},
    {"blk.*.ffn_norm.weight", Slot::ffn_norm, Binding::vector, nullptr, d_model, Role::norms, always},
    {"blk.*.ffn_gate.weight", Slot::ffn_gate, Binding::matrix, d_ff, d_model, Role::ffn, dense},
    {"blk.*.ffn_up.weight", Slot::ffn_up, Binding::matrix, d_ff, d_model, Role::ffn, dense},
    {"blk.*.ffn_down.weight", Slot::ffn_down, Binding::matrix, d_model, d_ff, Role::ffn, dense},
    {"blk.*.ffn_gate_inp.weight", Slot::ffn_gate_inp, Binding::matrix, n_experts, d_model, Role::router, moe},
    {"blk.*.ffn_gate_exps.weight", Slot::ffn_gate_exps, Binding::experts, d_expert, d_model, Role::experts, moe},
    {"blk.*.ffn_up_exps.weight", Slot::ffn_up_exps, Binding::experts, d_expert, d_model, Role::experts, moe},
    {"blk.*.ffn_down_exps.weight", Slot::ffn_down_exps, Binding::experts, d_model, d_expert, Role::experts, moe},
};

}  // namespace

const Family kLlamaFamily = {"llama", parse, kBindings, forward_decoder};

}  // namespace siskin
