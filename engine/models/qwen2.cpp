// The qwen2 architecture: Qwen 2 and 2.5, dense: the llama block with biases on q, k and v.
// Sources: Qwen2 Technical Report (arXiv 2407.10671), section 2; tensor names and keys from the GGUF specification.

#include "engine/models/decoder.h"
#include "engine/models/family.h"

namespace siskin {
namespace {

using namespace binding;

Result<ModelSpec> parse(const ModelFile& file) { return parse_dense_decoder(file, "qwen2"); }

// clang-format off
constexpr Binding kBindings[] = {
    // file name                 slot               kind             rows     cols     role             presence
    {"token_embd.weight",        Slot::token_embd,  Binding::matrix, n_vocab, d_model, Role::embedding, always},
    {"output_norm.weight",       Slot::output_norm, Binding::vector, nullptr, d_model, Role::norms,     always},
    {"output.weight",            Slot::output,      Binding::matrix, n_vocab, d_model, Role::head,      maybe},
    {"blk.*.attn_norm.weight",   Slot::attn_norm,   Binding::vector, nullptr, d_model, Role::norms,     always},
    {"blk.*.attn_q.weight",      Slot::attn_q,      Binding::matrix, d_q,     d_model, Role::attention, always},
    {"blk.*.attn_k.weight",      Slot::attn_k,      Binding::matrix, d_k,     d_model, Role::attention, always},
    {"blk.*.attn_v.weight",      Slot::attn_v,      Binding::matrix, d_v,     d_model, Role::attention, always},
    {"blk.*.attn_q.bias",        Slot::attn_q_bias, Binding::vector, nullptr, d_q,     Role::attention, always},
    {"blk.*.attn_k.bias",        Slot::attn_k_bias, Binding::vector, nullptr, d_k,     Role::attention, always},
    {"blk.*.attn_v.bias",        Slot::attn_v_bias, Binding::vector, nullptr, d_v,     Role::attention, always},
    {"blk.*.attn_output.weight", Slot::attn_output, Binding::matrix, d_model, d_q,     Role::attention, always},
    {"blk.*.ffn_norm.weight",    Slot::ffn_norm,    Binding::vector, nullptr, d_model, Role::norms,     always},
    {"blk.*.ffn_gate.weight",    Slot::ffn_gate,    Binding::matrix, d_ff,    d_model, Role::ffn,       always},
    {"blk.*.ffn_up.weight",      Slot::ffn_up,      Binding::matrix, d_ff,    d_model, Role::ffn,       always},
    {"blk.*.ffn_down.weight",    Slot::ffn_down,    Binding::matrix, d_model, d_ff,    Role::ffn,       always},
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

const Family kQwen2Family = {"qwen2", parse, kBindings, forward};

}  // namespace siskin
