// The gemma3 architecture: the text side of Gemma 3. Norms before and behind each block and on every head of q and k, GeGLU,
// scaled embeddings, and five layers with a sliding window and rotary base of their own for each that sees everything.
// Sources: Gemma 3 Technical Report (arXiv 2503.19786), section 2; tensor names and keys from llama.cpp's converter.

#include <cmath>
#include <limits>

#include "engine/blocks/norm.h"
#include "engine/models/decoder.h"
#include "engine/models/family.h"
#include "formats/try.h"

namespace siskin {
namespace {

using namespace binding;

Status parse_windows(const ModelFile& file, ModelSpec& spec) {
  const Metadata& meta = file.metadata();
  SISKIN_TRY(spec.window, meta.u64_or("gemma3.attention.sliding_window", 0));
  SISKIN_TRY(spec.window_period, meta.u64_or("gemma3.attention.sliding_window_pattern", 6));
  SISKIN_TRY(const double base, meta.f64_or("gemma3.rope.freq_base_swa", 10000.0));
  if (spec.window_period == 0) return bad_model(file, "gemma3.attention.sliding_window_pattern: 0, expected at least 1");
  if (!(base > 0) || base > std::numeric_limits<float>::max()) {
    return bad_model(file, "gemma3.rope.freq_base_swa: expected a positive number");
  }
  spec.local_rope.base = static_cast<float>(base);  // never stretched: the scaling is for the layers that see everything
  spec.local_rope.interleaved = spec.rope.interleaved;
  return {};
}

Result<ModelSpec> parse(const ModelFile& file) {
  SISKIN_TRY(ModelSpec spec, parse_dense_decoder(file, "gemma3"));
  SISKIN_TRY_STATUS(parse_windows(file, spec));
  spec.activation = FfnActivation::gelu_tanh;
  spec.embedding_scale = std::sqrt(static_cast<float>(spec.d_model));  // in f32 as in llama.cpp; the bf16 original rounds it
  // The 27B model alone scales by d_model / n_heads; GGUF files do not say so, and llama.cpp too knows it by its layers.
  constexpr size_t kLayersOf27B = 62;
  const size_t scaled = spec.n_layers == kLayersOf27B ? spec.d_model / spec.n_heads : spec.head_dim;
  SISKIN_TRY(const double scale,
             file.metadata().f64_or("gemma3.attention.scale", 1.0 / std::sqrt(static_cast<double>(scaled))));
  if (!(scale > 0) || scale > 1e6) return bad_model(file, "gemma3.attention.scale: expected a positive number");
  spec.attention_scale = static_cast<float>(scale);
  SISKIN_TRY(const double softcap, file.metadata().f64_or("gemma3.final_logit_softcapping", 0.0));
  if (softcap != 0) return Error{ErrorCode::unsupported, "gemma3.final_logit_softcapping is not built"};
  return spec;
}

constexpr bool kCentred = true;

// clang-format off
constexpr Binding kBindings[] = {
    // file name                         slot                  kind             rows     cols      role             presence
    {"token_embd.weight",                Slot::token_embd,     Binding::matrix, n_vocab, d_model,  Role::embedding, always},
    {"output_norm.weight",               Slot::output_norm,    Binding::vector, nullptr, d_model,  Role::norms,     always, kCentred},
    {"output.weight",                    Slot::output,         Binding::matrix, n_vocab, d_model,  Role::head,      maybe},
    {"blk.*.attn_norm.weight",           Slot::attn_norm,      Binding::vector, nullptr, d_model,  Role::norms,     always, kCentred},
    {"blk.*.attn_q.weight",              Slot::attn_q,         Binding::matrix, d_q,     d_model,  Role::attention, always},
    {"blk.*.attn_k.weight",              Slot::attn_k,         Binding::matrix, d_k,     d_model,  Role::attention, always},
    {"blk.*.attn_v.weight",              Slot::attn_v,         Binding::matrix, d_v,     d_model,  Role::attention, always},
    {"blk.*.attn_q_norm.weight",         Slot::attn_q_norm,    Binding::vector, nullptr, head_dim, Role::norms,     always, kCentred},
    {"blk.*.attn_k_norm.weight",         Slot::attn_k_norm,    Binding::vector, nullptr, head_dim, Role::norms,     always, kCentred},
    {"blk.*.attn_output.weight",         Slot::attn_output,    Binding::matrix, d_model, d_q,      Role::attention, always},
    {"blk.*.post_attention_norm.weight", Slot::attn_post_norm, Binding::vector, nullptr, d_model,  Role::norms,     always, kCentred},
    {"blk.*.ffn_norm.weight",            Slot::ffn_norm,       Binding::vector, nullptr, d_model,  Role::norms,     always, kCentred},
    {"blk.*.ffn_gate.weight",            Slot::ffn_gate,       Binding::matrix, d_ff,    d_model,  Role::ffn,       always},
    {"blk.*.ffn_up.weight",              Slot::ffn_up,         Binding::matrix, d_ff,    d_model,  Role::ffn,       always},
    {"blk.*.ffn_down.weight",            Slot::ffn_down,       Binding::matrix, d_model, d_ff,     Role::ffn,       always},
    {"blk.*.post_ffw_norm.weight",       Slot::ffn_post_norm,  Binding::vector, nullptr, d_model,  Role::norms,     always, kCentred},
};
// clang-format on

void forward(StepContext& ctx) {
  Activations& act = ctx.act;
  begin_step(ctx);
  for (size_t layer = 0; layer < ctx.spec.n_layers; ++layer) {
    project_qkv(ctx, layer);
    norm_qk(ctx, layer);
    attend_and_project(ctx, layer);
    norm_rows(ctx, act.delta, ctx.weights.get(Slot::attn_post_norm, layer));
    feed_forward(ctx, layer);
    norm_rows(ctx, act.delta, ctx.weights.get(Slot::ffn_post_norm, layer));
  }
  predict(ctx);
}

}  // namespace

const Family kGemma3Family = {"gemma3", parse, kBindings, forward};

}  // namespace siskin
