// ModelSpec: what a family's parser found in the metadata; the shapes that bindings and forward() work with.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace siskin {

struct RopeSpec {
  float base = 10000.0f;
  float linear_factor = 1.0f;   // positions are divided by it
  bool interleaved = true;      // pairing of q/k elements
  std::vector<float> divisors;  // [n_rot/2] each frequency is divided by; empty: all 1
};

// What the chosen experts are weighted with.
enum class ExpertWeights : uint8_t {
  softmax_over_chosen,  // Mixtral: they add up to 1
  softmax_over_all,     // OLMoE: their shares of all experts' softmax
};

// What the gate of a feed-forward block goes through.
enum class FfnActivation : bool { silu, gelu_tanh };

struct ModelSpec {
  std::string name;
  std::string architecture;
  size_t n_layers = 0;
  size_t d_model = 0;
  size_t n_heads = 0;
  size_t n_kv_heads = 0;
  size_t head_dim = 0;
  size_t n_rot = 0;
  size_t d_ff = 0;
  size_t n_vocab = 0;
  size_t ctx_train = 0;
  size_t n_experts = 0;  // 0: dense
  size_t top_k = 0;
  ExpertWeights expert_weights = ExpertWeights::softmax_over_chosen;
  float rms_eps = 1e-5f;
  RopeSpec rope;
  float embedding_scale = 1.0f;
  float attention_scale = 1.0f;  // of a query's products with the keys
  FfnActivation activation = FfnActivation::silu;
  // Sliding windows: of every `window_period` layers all but the last see the `window` latest positions alone, and rotate by
  // local_rope.
  size_t window = 0;  // 0: all layers see everything
  size_t window_period = 1;
  RopeSpec local_rope;

  bool is_local(size_t layer) const { return window > 0 && (layer + 1) % window_period != 0; }
  // The first position that a query at `position` sees.
  size_t first_visible(size_t layer, size_t position) const {
    return is_local(layer) && position >= window ? position + 1 - window : 0;
  }
  // Query-key pairs of n queries from `first` on: query p sees min(p + 1, window) positions.
  size_t visible_pairs(size_t layer, size_t first, size_t n) const {
    const size_t growing = !is_local(layer) ? n : first < window ? std::min(n, window - first) : 0;
    return growing * first + growing * (growing + 1) / 2 + (n - growing) * window;
  }
  bool is_moe() const { return n_experts > 0; }
  size_t d_q() const { return n_heads * head_dim; }
  size_t d_kv() const { return n_kv_heads * head_dim; }
};

}  // namespace siskin
