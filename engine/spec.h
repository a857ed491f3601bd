// ModelSpec: what a family's parser found in the metadata; the shapes that bindings and forward() work with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace siskin {

struct RopeSpec {
  float base = 10000.0f;
  float linear_factor = 1.0f;        // positions are divided by it
  bool interleaved = true;           // pairing of q/k elements
  std::vector<float> divisors;       // [n_rot/2] each frequency is divided by; empty: all 1
};

// What the chosen experts are weighted with.
enum class ExpertWeights : uint8_t {
  softmax_over_chosen,  // Mixtral: they add up to 1
  softmax_over_all,     // OLMoE: their shares of all experts' softmax
};

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

  bool is_moe() const { return n_experts > 0; }
  size_t d_q() const { return n_heads * head_dim; }
  size_t d_kv() const { return n_kv_heads * head_dim; }
};

}  // namespace siskin
