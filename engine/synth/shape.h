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
  std::string architecture;  // GGUF's word: "llama", which also covers Mixtral-like mixtures
  size_t n_layers = 0;
  size_t d_model = 0;
  size_t n_heads = 0;
  size_t n_kv_heads = 0;
  size_t head_dim = 0;
  size_t d_ff = 0;  // of one expert in a mixture
  size_t n_experts = 0;
  size_t top_k = 0;
  size_t n_vocab = 0;
  size_t ctx = 0;
  double rope_theta = 10000;
  bool tied = false;

  bool is_mixture() const { return n_experts > 0; }
  uint64_t expert_params() const { return uint64_t{3} * d_model * d_ff; }  // gate, up, down
  uint64_t total_params() const;
  uint64_t active_params() const;  // without the experts that top_k leaves out
};

// Tells the three kinds apart by their first bytes, and checks the numbers. Errors: not_found (no such file), unsupported (an
// architecture that cannot be synthesised), corrupt_file (a missing or impossible value; names the file and key).
Result<ModelShape> read_shape(const std::filesystem::path& path);

// The parsers behind it; `name` starts their errors. They check syntax; read_shape checks sense.
Result<ModelShape> parse_shape_text(std::string_view text, const std::string& name);
Result<ModelShape> parse_shape_json(std::string_view text, const std::string& name);
// Every count positive and plausible, heads a multiple of KV heads, top_k within the experts.
Status check_shape(const ModelShape& shape, const std::string& name);

}  // namespace siskin
