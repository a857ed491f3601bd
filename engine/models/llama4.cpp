// Llama 4, its text model: three of four layers rotate and see their own chunk of the context, their q and k normalised behind
// the rotation; the fourth sees everything, knows no positions and sharpens its queries as the text grows. Experts are chosen
// by logits, whose sigmoid weighs their input; every token has a shared one; layers without experts may lie between. Source:
// Llama 4 (ai.meta.com, 2025) and transformers' models/llama4; tensor names and keys from llama.cpp's converter, which leaves
// chunks, growth and the norms of q and k to constants: attention.chunk_size and attention.use_qk_norm are keys of ours.

#include "engine/models/decoder.h"
#include "engine/models/family.h"
#include "formats/try.h"

namespace siskin {
namespace {

using namespace binding;

Status parse_chunks(const ModelFile& file, ModelSpec& spec) {
  const Metadata& meta = file.metadata();
  // 0 stands for a model whose layers all rotate and see everything.
  SISKIN_TRY(const uint64_t sliding, meta.u64_or("llama4.attention.sliding_window", 1));
  if (sliding == 0) return {};
  spec.window = 8192;
  spec.window_period = 4;
  if (const char* key = "llama4.attention.chunk_size"; meta.has(key)) {
    SISKIN_TRY(spec.window, dimension(file, key));
  }
  if (const char* key = "llama4.attention.sliding_window_pattern"; meta.has(key)) {
    SISKIN_TRY(spec.window_period, dimension(file, key));
  }
  spec.chunked = true;
  spec.rotates_windows_only = true;
  spec.local_rope = spec.rope;
  return {};
}

Status parse_growth(const ModelFile& file, ModelSpec& spec) {
  spec.query_step = 8192;
  if (const char* key = "llama4.attention.temperature_length"; file.metadata().has(key)) {
    SISKIN_TRY(spec.query_step, dimension(file, key));
  }
  const char* key = "llama4.attention.temperature_scale";
  SISKIN_TRY(const double growth, file.metadata().f64_or(key, 0.1));
  if (!(growth >= 0) || growth > 1e6) return bad_model(file, std::string(key) + ": expected a number from 0 to 1e6");
  spec.query_growth = static_cast<float>(growth);
  return {};
}

Result<ModelSpec> parse(const ModelFile& file) {
  SISKIN_TRY(ModelSpec spec,
             parse_mixture_decoder(file, "llama4", {.score = RouterSpec::Score::sigmoid, .weight_on_input = true}));
  SISKIN_TRY_STATUS(parse_chunks(file, spec));
  SISKIN_TRY_STATUS(parse_growth(file, spec));
  // The model of 128 experts has none; llama.cpp knows it by their number.
  SISKIN_TRY(spec.norm_behind_rope, file.metadata().boolean_or("llama4.attention.use_qk_norm", spec.n_experts != 128));
  assume_shared_expert(spec, spec.d_expert);
  return spec;
}

// clang-format off
constexpr Binding kBindings[] = {
    // file name                     slot                  kind              rows       cols        role                  presence
    {"token_embd.weight",            Slot::token_embd,     Binding::matrix,  n_vocab,   d_model,    Role::embedding,      always},
    {"output_norm.weight",           Slot::output_norm,    Binding::vector,  nullptr,   d_model,    Role::norms,          always},
    {"output.weight",                Slot::output,         Binding::matrix,  n_vocab,   d_model,    Role::head,           maybe},
    {"blk.*.attn_norm.weight",       Slot::attn_norm,      Binding::vector,  nullptr,   d_model,    Role::norms,          always},
    {"blk.*.attn_q.weight",          Slot::attn_q,         Binding::matrix,  d_q,       d_model,    Role::attention,      always},
    {"blk.*.attn_k.weight",          Slot::attn_k,         Binding::matrix,  d_k,       d_model,    Role::attention,      always},
    {"blk.*.attn_v.weight",          Slot::attn_v,         Binding::matrix,  d_v,       d_model,    Role::attention,      always},
    {"blk.*.attn_output.weight",     Slot::attn_output,    Binding::matrix,  d_model,   d_attended, Role::attention,      always},
    {"blk.*.ffn_norm.weight",        Slot::ffn_norm,       Binding::vector,  nullptr,   d_model,    Role::norms,          always},
    {"blk.*.ffn_gate.weight",        Slot::ffn_gate,       Binding::matrix,  d_ff,      d_model,    Role::ffn,            dense},
    {"blk.*.ffn_up.weight",          Slot::ffn_up,         Binding::matrix,  d_ff,      d_model,    Role::ffn,            dense},
    {"blk.*.ffn_down.weight",        Slot::ffn_down,       Binding::matrix,  d_model,   d_ff,       Role::ffn,            dense},
    {"blk.*.ffn_gate_inp.weight",    Slot::ffn_gate_inp,   Binding::matrix,  n_experts, d_model,    Role::router,         moe},
    {"blk.*.ffn_gate_exps.weight",   Slot::ffn_gate_exps,  Binding::experts, d_expert,  d_model,    Role::experts,        moe},
    {"blk.*.ffn_up_exps.weight",     Slot::ffn_up_exps,    Binding::experts, d_expert,  d_model,    Role::experts,        moe},
    {"blk.*.ffn_down_exps.weight",   Slot::ffn_down_exps,  Binding::experts, d_model,   d_expert,   Role::experts,        moe},
    {"blk.*.ffn_gate_shexp.weight",  Slot::ffn_gate_shexp, Binding::matrix,  d_shared,  d_model,    Role::shared_experts, moe},
    {"blk.*.ffn_up_shexp.weight",    Slot::ffn_up_shexp,   Binding::matrix,  d_shared,  d_model,    Role::shared_experts, moe},
    {"blk.*.ffn_down_shexp.weight",  Slot::ffn_down_shexp, Binding::matrix,  d_model,   d_shared,   Role::shared_experts, moe},
};
// clang-format on

}  // namespace

const Family kLlama4Family = {"llama4", parse, kBindings, forward_decoder};

}  // namespace siskin
