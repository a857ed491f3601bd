// Reading a shape from whatever describes one, and what its numbers must satisfy.
#include "engine/synth/shape.h"

#include <fstream>
#include <functional>
#include <iterator>
#include <numeric>

#include "engine/synth/architecture.h"
#include "formats/model_file.h"
#include "formats/try.h"

namespace siskin {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostTextBytes = size_t{1} << 20;  // a shape or config is a few kilobytes
constexpr size_t kMost = size_t{1} << 24;           // no count of a real model is near it; keeps every product in 64 bits

// A deepseek2 file's key_length is the cache's; the head's own has a key of its own.
Result<ModelShape> shape_from_gguf(const fs::path& path) {
  SISKIN_TRY(const ModelFile file, ModelFile::open(path));
  const Metadata& meta = file.metadata();
  ModelShape shape;
  SISKIN_TRY(shape.architecture, meta.string("general.architecture"));
  SISKIN_TRY(shape.name, meta.string_or("general.name", path.stem().string()));
  if (!can_be_synthesised(shape.architecture)) return shape;  // check_shape refuses it
  const std::string prefix = shape.architecture + ".";
  const struct {
    const char* key;
    size_t* value;
  } counts[] = {{"attention.head_count_kv", &shape.n_kv_heads},
                {"attention.kv_lora_rank", &shape.kv_rank},
                {"attention.sliding_window", &shape.window},
                {"rope.dimension_count", &shape.rope_dim},
                {"expert_count", &shape.n_experts},
                {"expert_used_count", &shape.top_k},
                {"expert_feed_forward_length", &shape.d_expert},
                {"expert_shared_count", &shape.n_shared_experts},
                {"leading_dense_block_count", &shape.n_dense_layers}};
  for (const auto& count : counts) {
    SISKIN_TRY(*count.value, meta.u64_or(prefix + count.key, 0));
  }
  SISKIN_TRY(shape.n_layers, meta.u64(prefix + "block_count"));
  SISKIN_TRY(shape.d_model, meta.u64(prefix + "embedding_length"));
  SISKIN_TRY(shape.n_heads, meta.u64(prefix + "attention.head_count"));
  SISKIN_TRY(shape.d_ff, meta.u64(prefix + "feed_forward_length"));
  const std::string mla = shape.kv_rank == 0 ? "" : "_mla";
  if (shape.kv_rank != 0) shape.n_kv_heads = 0;  // one latent head in the cache stands for all
  SISKIN_TRY(shape.head_dim, meta.u64_or(prefix + "attention.key_length" + mla, 0));
  SISKIN_TRY(shape.value_dim, meta.u64_or(prefix + "attention.value_length" + mla, 0));
  SISKIN_TRY(shape.ctx, meta.u64_or(prefix + "context_length", 2048));
  SISKIN_TRY(shape.rope_theta, meta.f64_or(prefix + "rope.freq_base", 10000));
  const char* eps = shape.architecture == "dbrx" ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon";
  SISKIN_TRY(shape.norm_eps, meta.f64_or(prefix + eps, 1e-5));
  const TensorView* embedding = file.find("token_embd.weight");
  if (embedding == nullptr) return Error{ErrorCode::corrupt_file, path.string() + ": no tensor token_embd.weight"};
  shape.n_vocab = embedding->rows();
  shape.tied = file.find("output.weight") == nullptr;
  complete_shape(shape);
  return shape;
}

Result<std::string> read_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text;
  for (char c = 0; text.size() <= kMostTextBytes && in.get(c);) text += c;
  if (in.bad()) return Error{ErrorCode::io, path.string() + ": cannot be read"};
  if (text.size() > kMostTextBytes) {
    return Error{ErrorCode::invalid_argument, path.string() + ": neither a GGUF file, a config.json nor a shape file"};
  }
  return text;
}

Result<ModelShape> read_unchecked(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in || fs::is_directory(path)) {
    return Error{ErrorCode::not_found, path.string() + ": no such file (expected a shape file, a config.json or a GGUF)"};
  }
  char magic[4] = {};
  in.read(magic, sizeof(magic));
  if (std::string_view(magic, sizeof(magic)) == "GGUF") return shape_from_gguf(path);
  SISKIN_TRY(const std::string text, read_text(path));
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string::npos && text[first] == '{') return parse_shape_json(text, path.string());
  return parse_shape_text(text, path.string());
}

uint64_t element_count(const Shape& shape) {
  return std::accumulate(shape.begin(), shape.end(), uint64_t{1}, std::multiplies<>());
}

}  // namespace

uint64_t ModelShape::total_params() const {
  uint64_t total = 0;
  for (const SynthTensor& tensor : tensors_of(*this)) total += element_count(tensor.shape);
  return total;
}

uint64_t ModelShape::active_params() const {
  uint64_t active = 0;
  for (const SynthTensor& tensor : tensors_of(*this)) {
    const uint64_t elements = element_count(tensor.shape);
    active += tensor.name.find("_exps.") == std::string::npos ? elements : elements / n_experts * top_k;
  }
  return active;
}

void complete_shape(ModelShape& shape) {
  if (shape.n_kv_heads == 0) shape.n_kv_heads = shape.n_heads;
  if (shape.head_dim == 0 && shape.n_heads != 0) shape.head_dim = shape.d_model / shape.n_heads;
  if (shape.value_dim == 0) shape.value_dim = shape.head_dim;
  if (shape.rope_dim == 0) shape.rope_dim = shape.head_dim;
}

Status check_shape(const ModelShape& shape, const std::string& name) {
  if (!can_be_synthesised(shape.architecture)) {
    return Error{ErrorCode::unsupported, name + ": architecture '" + shape.architecture + "' cannot be synthesised; " +
                                             synthesised_architectures() + " can"};
  }
  const struct {
    const char* key;
    size_t value;
  } counts[] = {{"n_layers", shape.n_layers},     {"d_model", shape.d_model},   {"n_heads", shape.n_heads},
                {"n_kv_heads", shape.n_kv_heads}, {"head_dim", shape.head_dim}, {"d_ff", shape.d_ff},
                {"n_vocab", shape.n_vocab},       {"ctx", shape.ctx},           {"value_dim", shape.value_dim},
                {"rope_dim", shape.rope_dim}};
  for (const auto& count : counts) {
    if (count.value == 0 || count.value > kMost) {
      return Error{ErrorCode::corrupt_file, name + ": " + count.key + ": expected 1 to " + std::to_string(kMost) + ", got " +
                                                std::to_string(count.value)};
    }
  }
  const auto wrong = [&](const std::string& what) { return Error{ErrorCode::corrupt_file, name + ": " + what}; };
  if (shape.n_layers > 4096) return wrong("n_layers: expected at most 4096, got " + std::to_string(shape.n_layers));
  if (shape.n_heads % shape.n_kv_heads != 0) {
    return wrong("n_heads: expected a multiple of n_kv_heads = " + std::to_string(shape.n_kv_heads) + ", got " +
                 std::to_string(shape.n_heads));
  }
  if (shape.head_dim % 2 != 0 || shape.head_dim > 4096 || shape.n_heads > 4096) {
    return wrong("head_dim: expected even, and at most 4096 heads of 4096, got " + std::to_string(shape.n_heads) + " of " +
                 std::to_string(shape.head_dim));
  }
  const bool experts_fit = shape.n_experts == 0 ? shape.top_k == 0 : shape.top_k >= 1 && shape.top_k <= shape.n_experts;
  if (!experts_fit || shape.n_experts > 65536) {
    return wrong("top_k: expected 1 to n_experts = " + std::to_string(shape.n_experts) + ", got " +
                 std::to_string(shape.top_k));
  }
  if (shape.rope_dim > shape.head_dim || shape.rope_dim % 2 != 0) {
    return wrong("rope_dim: expected even and at most head_dim = " + std::to_string(shape.head_dim) + ", got " +
                 std::to_string(shape.rope_dim));
  }
  const struct {
    const char* key;
    size_t value, most;
  } parts[] = {{"d_expert", shape.d_expert, kMost},
               {"window", shape.window, kMost},
               {"kv_rank", shape.kv_rank, kMost},
               {"n_shared_experts", shape.n_shared_experts, shape.n_experts},
               {"n_dense_layers", shape.n_dense_layers, shape.n_experts == 0 ? 0 : kMost}};
  for (const auto& part : parts) {
    if (part.value > part.most) {
      return wrong(std::string(part.key) + ": expected at most " + std::to_string(part.most) + ", got " +
                   std::to_string(part.value));
    }
  }
  const bool latent = shape.architecture == "deepseek2";
  if (latent != (shape.kv_rank != 0) || (latent && shape.rope_dim == shape.head_dim)) {
    return wrong("kv_rank: deepseek2 needs it, and a rope_dim below head_dim; no other architecture has it");
  }
  const bool always_mixture = shape.architecture != "llama" && shape.architecture != "gemma" && shape.architecture != "phi3";
  if (always_mixture != shape.is_mixture() && shape.architecture != "llama") {
    return wrong("n_experts: " + shape.architecture + (always_mixture ? " needs experts" : " has none"));
  }
  if (!(shape.norm_eps > 0)) return wrong("norm_eps: expected a positive number");
  if (!(shape.rope_theta > 0)) return wrong("rope_theta: expected a positive number");
  return {};
}

Result<ModelShape> read_shape(const fs::path& path) {
  SISKIN_TRY(ModelShape shape, read_unchecked(path));
  SISKIN_TRY_STATUS(check_shape(shape, path.string()));
  return shape;
}

}  // namespace siskin
