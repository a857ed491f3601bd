// ModelShape: the numbers that fix a model's tensors, from a shape file, a config.json or a GGUF header.
#pragma once

#include <siskin/result.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace siskin {

struct ModelShape {
  std::string name;
  std::string architecture;  // GGUF's word; "llama" also covers Mistral and Mixtral-like mixtures
  size_t n_layers = 0;
  size_t d_model = 0;
  size_t n_heads = 0;
  size_t n_kv_heads = 0;
  size_t head_dim = 0;
  size_t value_dim = 0;  // of a head's values, where it is not head_dim
  size_t rope_dim = 0;   // rotated part of a head
  size_t kv_rank = 0;    // latent attention: width of what the cache holds
  size_t window = 0;     // sliding window, positions
  size_t d_ff = 0;       // of one expert in a mixture without d_expert
  size_t d_expert = 0;
  size_t n_experts = 0;
  size_t top_k = 0;
  size_t n_shared_experts = 0;
  size_t n_dense_layers = 0;  // first layers of a mixture, that have no experts
  size_t n_vocab = 0;
  size_t ctx = 0;
  double rope_theta = 10000;
  double norm_eps = 1e-5;
  bool tied = false;

  bool is_mixture() const { return n_experts > 0; }
  size_t expert_width() const { return d_expert != 0 ? d_expert : d_ff; }
  uint64_t total_params() const;
  uint64_t active_params() const;  // without the experts that top_k leaves out
};

// Tells the three kinds apart by their first bytes, and checks the numbers. Errors: not_found (no such file), unsupported (an
// architecture that cannot be synthesised), corrupt_file (a missing or impossible value; names the file and key).
Result<ModelShape> read_shape(const std::filesystem::path& path);

// The parsers behind it; `name` starts their errors. They check syntax; read_shape checks sense.
Result<ModelShape> parse_shape_text(std::string_view text, const std::string& name);
Result<ModelShape> parse_shape_json(std::string_view text, const std::string& name);
// What a file may leave out: a head's width and its parts, as many KV heads as heads.
void complete_shape(ModelShape& shape);
// Every count positive and plausible, heads a multiple of KV heads, top_k within the experts. REQUIRES: completed.
Status check_shape(const ModelShape& shape, const std::string& name);

}  // namespace siskin
