// Sources of names, shapes and keys: llama.cpp's src/models/<architecture>.cpp (load_arch_hparams, load_arch_tensors),
// src/llama-arch.cpp and the converters under conversion/, August 2026.
#include "engine/synth/architecture.h"

#include <algorithm>
#include <iterator>

namespace siskin {
namespace {

constexpr std::string_view kArchitectures[] = {"llama", "olmoe", "qwen3moe", "gemma", "phi3", "deepseek2", "dbrx", "gpt-oss"};

// Collects one model's tensors.
class TensorNames {
 public:
  explicit TensorNames(const ModelShape& shape) : s_(shape) {}

  std::vector<SynthTensor> all() {
    add("token_embd.weight", {s_.n_vocab, s_.d_model}, Filling::embedding);
    for (layer_ = 0; layer_ < s_.n_layers; ++layer_) {
      prefix_ = "blk." + std::to_string(layer_) + ".";
      add_attention();
      add_ffn();
    }
    layer_ = 0;
    prefix_.clear();
    add("output_norm.weight", {s_.d_model}, Filling::last_norm);
    if (!s_.tied) add("output.weight", {s_.n_vocab, s_.d_model}, Filling::random);
    return std::move(tensors_);
  }

 private:
  void add(const char* name, Shape shape, Filling filling) {
    tensors_.push_back({prefix_ + name, std::move(shape), filling, layer_});
  }
  bool is(std::string_view architecture) const { return s_.architecture == architecture; }

  void add_attention() {
    const size_t q = s_.n_heads * s_.head_dim, kv = s_.n_kv_heads * s_.head_dim;
    add("attn_norm.weight", {s_.d_model}, Filling::ones);
    if (is("deepseek2")) return add_latent_attention();
    if (is("phi3") || is("dbrx")) {
      add("attn_qkv.weight", {q + 2 * kv, s_.d_model}, Filling::random);
    } else {
      add("attn_q.weight", {q, s_.d_model}, Filling::random);
      add("attn_k.weight", {kv, s_.d_model}, Filling::random);
      add("attn_v.weight", {kv, s_.d_model}, Filling::random);
    }
    if (is("olmoe")) {  // over all heads at once
      add("attn_q_norm.weight", {q}, Filling::ones);
      add("attn_k_norm.weight", {kv}, Filling::ones);
    } else if (is("qwen3moe")) {  // head by head
      add("attn_q_norm.weight", {s_.head_dim}, Filling::ones);
      add("attn_k_norm.weight", {s_.head_dim}, Filling::ones);
    }
    add("attn_output.weight", {s_.d_model, q}, Filling::residual_output);
    if (!is("gpt-oss")) return;
    add("attn_q.bias", {q}, Filling::zeros);
    add("attn_k.bias", {kv}, Filling::zeros);
    add("attn_v.bias", {kv}, Filling::zeros);
    add("attn_output.bias", {s_.d_model}, Filling::zeros);
    add("attn_sinks.weight", {s_.n_heads}, Filling::zeros);
  }

  // Multi-head latent attention without a compressed q; k_b and v_b are kv_b split for the absorbed form, heads outermost.
  void add_latent_attention() {
    const size_t unrotated = s_.head_dim - s_.rope_dim;
    add("attn_q.weight", {s_.n_heads * s_.head_dim, s_.d_model}, Filling::random);
    add("attn_kv_a_mqa.weight", {s_.kv_rank + s_.rope_dim, s_.d_model}, Filling::random);
    add("attn_kv_a_norm.weight", {s_.kv_rank}, Filling::ones);
    add("attn_k_b.weight", {s_.n_heads, s_.kv_rank, unrotated}, Filling::random);
    add("attn_v_b.weight", {s_.n_heads, s_.value_dim, s_.kv_rank}, Filling::random);
    add("attn_output.weight", {s_.d_model, s_.n_heads * s_.value_dim}, Filling::residual_output);
  }

  void add_ffn() {
    add(is("dbrx")      ? "attn_output_norm.weight"
        : is("gpt-oss") ? "post_attention_norm.weight"
                        : "ffn_norm.weight",
        {s_.d_model}, Filling::ones);
    if (s_.is_mixture() && layer_ >= s_.n_dense_layers) return add_experts();
    if (is("phi3")) {  // gate and up are one matrix
      add("ffn_up.weight", {2 * s_.d_ff, s_.d_model}, Filling::random);
    } else {
      add("ffn_gate.weight", {s_.d_ff, s_.d_model}, Filling::random);
      add("ffn_up.weight", {s_.d_ff, s_.d_model}, Filling::random);
    }
    add("ffn_down.weight", {s_.d_model, s_.d_ff}, Filling::residual_output);
  }

  void add_experts() {
    const size_t width = s_.expert_width(), n = s_.n_experts;
    add("ffn_gate_inp.weight", {n, s_.d_model}, Filling::router);
    add("ffn_gate_exps.weight", {n, width, s_.d_model}, Filling::random);
    add("ffn_up_exps.weight", {n, width, s_.d_model}, Filling::random);
    add("ffn_down_exps.weight", {n, s_.d_model, width}, Filling::residual_output);
    if (is("gpt-oss")) {
      add("ffn_gate_inp.bias", {n}, Filling::zeros);
      add("ffn_gate_exps.bias", {n, width}, Filling::zeros);
      add("ffn_up_exps.bias", {n, width}, Filling::zeros);
      add("ffn_down_exps.bias", {n, s_.d_model}, Filling::zeros);
    }
    if (s_.n_shared_experts == 0) return;
    const size_t shared = s_.n_shared_experts * width;
    add("ffn_gate_shexp.weight", {shared, s_.d_model}, Filling::random);
    add("ffn_up_shexp.weight", {shared, s_.d_model}, Filling::random);
    add("ffn_down_shexp.weight", {s_.d_model, shared}, Filling::residual_output);
  }

  const ModelShape& s_;
  std::vector<SynthTensor> tensors_;
  std::string prefix_;
  size_t layer_ = 0;
};

}  // namespace

bool can_be_synthesised(std::string_view architecture) {
  return std::find(std::begin(kArchitectures), std::end(kArchitectures), architecture) != std::end(kArchitectures);
}

std::string synthesised_architectures() {
  std::string list;
  for (const std::string_view name : kArchitectures) list += (list.empty() ? "" : ", ") + std::string(name);
  return list;
}

std::vector<SynthTensor> tensors_of(const ModelShape& shape) { return TensorNames(shape).all(); }

void describe_architecture(const ModelShape& s, Metadata& meta) {
  const std::string prefix = s.architecture + ".";
  const auto set_count = [&](const char* key, size_t value) { meta.set(prefix + key, uint64_t{value}); };
  meta.set("general.architecture", s.architecture);
  set_count("block_count", s.n_layers);
  set_count("context_length", s.ctx);
  set_count("embedding_length", s.d_model);
  set_count("feed_forward_length", s.d_ff);
  set_count("attention.head_count", s.n_heads);
  set_count("rope.dimension_count", s.rope_dim);
  set_count("vocab_size", s.n_vocab);
  meta.set(prefix + "rope.freq_base", s.rope_theta);
  const bool layer_norm = s.architecture == "dbrx";
  meta.set(prefix + (layer_norm ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon"), s.norm_eps);
  if (layer_norm) meta.set(prefix + "attention.clamp_kqv", 8.0);
  if (s.window != 0) set_count("attention.sliding_window", s.window);
  if (s.architecture == "phi3") set_count("rope.scaling.original_context_length", s.ctx);
  if (s.kv_rank == 0) {
    set_count("attention.head_count_kv", s.n_kv_heads);
    set_count("attention.key_length", s.head_dim);
    set_count("attention.value_length", s.value_dim);
  } else {  // the cache holds one latent head; head sizes are those after decompression
    set_count("attention.head_count_kv", 1);
    set_count("attention.key_length", s.kv_rank + s.rope_dim);
    set_count("attention.value_length", s.kv_rank);
    set_count("attention.key_length_mla", s.head_dim);
    set_count("attention.value_length_mla", s.value_dim);
    set_count("attention.kv_lora_rank", s.kv_rank);
    set_count("attention.q_lora_rank", 0);
  }
  if (!s.is_mixture()) return;
  set_count("expert_count", s.n_experts);
  set_count("expert_used_count", s.top_k);
  if (s.d_expert != 0) set_count("expert_feed_forward_length", s.d_expert);
  if (s.n_dense_layers != 0) set_count("leading_dense_block_count", s.n_dense_layers);
  if (s.n_shared_experts != 0) set_count("expert_shared_count", s.n_shared_experts);
}

}  // namespace siskin
