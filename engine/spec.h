// ModelSpec: what a family's parser found in the metadata; the shapes that bindings and forward() work with.
#pragma once

#include <algorithm>
#include <cmath>
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
  float magnitude = 1.0f;       // of the rotated pairs: cos and sin are multiplied by it
  // Contexts of at least long_from positions take these instead, where there are any.
  std::vector<float> long_divisors;
  float long_magnitude = 1.0f;
  size_t long_from = 0;
};

// How a mixture's tokens find their experts, as data; the rules are the router's (router.h).
struct RouterSpec {
  // What a score makes of a logit; experts are weighted by their scores. GGUF numbers all but the
  // last 1 to 4 in this order: expert_gating_func.
  enum class Score : uint8_t {
    softmax,            // over all experts
    sigmoid,            // each on its own
    softmax_of_chosen,  // chosen by logits, weighted by a softmax of the chosen alone
    sqrt_softplus,      // sqrt(log(1 + e^x))
    sparse_mixer,       // chosen by logits, each weighted by its own softmax of those left, without what lies far below it
  };
  // What a group of experts is chosen by.
  enum class GroupScore : uint8_t { largest, two_largest };

  Score score = Score::softmax;
  bool normalise = false;  // weights are divided by their sum
  float scale = 1.0f;      // then multiplied by this
  float jitter = 0.01f;    // sparse_mixer: logits further below than twice this share of the larger size lie far below
  size_t n_groups = 1;     // of neighbours, equally many experts each
  size_t groups_used = 1;  // experts of the others are not chosen
  GroupScore group_score = GroupScore::two_largest;
  bool weight_on_input = false;  // an expert's input is multiplied by its weight, not its output
};

// What the gate of a feed-forward block goes through.
enum class FfnActivation : uint8_t {
  silu,
  gelu_tanh,
  clamped_swiglu,  // gpt-oss: min(g, 7) sigmoid(1.702 min(g, 7)) (clamp(u, -7, 7) + 1)
};

struct ModelSpec {
  std::string name;
  std::string architecture;
  size_t n_layers = 0;
  size_t d_model = 0;
  size_t n_heads = 0;
  size_t n_kv_heads = 0;
  size_t head_dim = 0;   // of queries and keys
  size_t value_dim = 0;  // of values; parse_decoder: head_dim
  size_t n_rot = 0;
  // Latent attention (DeepSeek): a position keeps kv_rank values that all heads share, and n_rot rotated ones behind them. A
  // head's first head_dim - n_rot query values meet the former, by a matrix of its own.
  size_t kv_rank = 0;  // 0: keys and values per KV head
  size_t q_rank = 0;   // of the queries' factors; 0: one matrix
  size_t d_ff = 0;     // of dense layers
  size_t n_vocab = 0;
  size_t ctx_train = 0;
  size_t n_experts = 0;  // 0: dense
  size_t top_k = 0;
  size_t d_expert = 0;          // of one expert
  size_t n_shared_experts = 0;  // every token's, beside the chosen ones; one wider block in files and here
  size_t d_shared = 0;          // of all of them together
  size_t n_dense_layers = 0;    // the first so many have no experts,
  size_t moe_step = 1;          // nor those that this does not divide, counted from 1
  size_t n_nextn_layers = 0;    // behind the last in the file, for multi-token prediction; not run
  RouterSpec router;
  float rms_eps = 1e-5f;    // of norms of both kinds
  bool layer_norm = false;  // the stream is normalised about its mean
  RopeSpec rope;
  float qkv_clamp = 0;            // q, k and v are kept within [-clamp, clamp]; 0: they are not
  bool norm_behind_rope = false;  // heads of q and k are normalised when they are rotated already
  float embedding_scale = 1.0f;
  float residual_scale = 1.0f;  // of what a block adds to the stream
  float logit_scale = 1.0f;
  float attention_scale = 1.0f;  // of a query's products with the keys
  FfnActivation activation = FfnActivation::silu;
  // Sliding windows: of every `window_period` layers all but the last see the `window` latest positions alone, and rotate by
  // local_rope.
  size_t window = 0;  // 0: all layers see everything
  size_t window_period = 1;
  RopeSpec local_rope;
  bool chunked = false;               // windows lie end to end: a query sees its own up to itself
  bool rotates_windows_only = false;  // layers that see everything know no positions
  // Queries of layers that do not rotate are multiplied by 1 + query_growth * ln(1 + (position + 1) / query_step), in whole
  // steps.
  float query_growth = 0;
  size_t query_step = 1;

  bool is_local(size_t layer) const { return window > 0 && (layer + 1) % window_period != 0; }
  // The first position that a query at `position` sees.
  size_t first_visible(size_t layer, size_t position) const {
    if (!is_local(layer) || position < window) return 0;
    return chunked ? position - position % window : position + 1 - window;
  }
  bool is_rotated(size_t layer) const { return !rotates_windows_only || is_local(layer); }
  float query_scale(size_t position) const {
    return 1.0f + query_growth * static_cast<float>(std::log1p(static_cast<double>((position + 1) / query_step)));
  }
  // Query-key pairs of n queries from `first` on: query p sees min(p + 1, window) positions, or 1 + p % window of its chunk.
  size_t visible_pairs(size_t layer, size_t first, size_t n) const {
    if (is_local(layer) && chunked) return chunked_pairs(first + n) - chunked_pairs(first);
    const size_t growing = !is_local(layer) ? n : first < window ? std::min(n, window - first) : 0;
    return growing * first + growing * (growing + 1) / 2 + (n - growing) * window;
  }
  // Of the first n queries.
  size_t chunked_pairs(size_t n) const {
    const size_t rest = n % window;
    return n / window * (window * (window + 1) / 2) + rest * (rest + 1) / 2;
  }
  bool is_moe() const { return n_experts > 0; }
  bool is_moe(size_t layer) const { return is_moe() && layer >= n_dense_layers && (layer + 1) % moe_step == 0; }
  bool is_latent() const { return kv_rank > 0; }
  // What attention meets: widths of a query, a key and a value of one head.
  size_t key_width() const { return is_latent() ? kv_rank + n_rot : head_dim; }
  size_t value_width() const { return is_latent() ? kv_rank : value_dim; }
  size_t d_q() const { return n_heads * head_dim; }
  size_t d_k() const { return n_kv_heads * key_width(); }
  size_t d_v() const { return n_kv_heads * value_width(); }
  size_t d_attended() const { return n_heads * value_dim; }
};

}  // namespace siskin
