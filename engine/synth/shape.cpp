// Reading a shape from whatever describes one, and what its numbers must satisfy.
#include "engine/synth/shape.h"

#include <fstream>
#include <iterator>

#include "formats/model_file.h"
#include "formats/try.h"

namespace siskin {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostTextBytes = size_t{1} << 20;  // a shape or config is a few kilobytes
constexpr size_t kMost = size_t{1} << 24;           // no count of a real model is near it; keeps every product in 64 bits

Result<ModelShape> shape_from_gguf(const fs::path& path) {
  SISKIN_TRY(const ModelFile file, ModelFile::open(path));
  const Metadata& meta = file.metadata();
  ModelShape shape;
  SISKIN_TRY(shape.architecture, meta.string("general.architecture"));
  SISKIN_TRY(shape.name, meta.string_or("general.name", path.stem().string()));
  if (shape.architecture != "llama") return shape;  // its keys have other names; check_shape refuses it
  SISKIN_TRY(shape.n_layers, meta.u64("llama.block_count"));
  SISKIN_TRY(shape.d_model, meta.u64("llama.embedding_length"));
  SISKIN_TRY(shape.n_heads, meta.u64("llama.attention.head_count"));
  SISKIN_TRY(shape.n_kv_heads, meta.u64_or("llama.attention.head_count_kv", shape.n_heads));
  const size_t even_share = shape.n_heads == 0 ? 0 : shape.d_model / shape.n_heads;
  SISKIN_TRY(shape.head_dim, meta.u64_or("llama.attention.key_length", even_share));
  SISKIN_TRY(shape.d_ff, meta.u64("llama.feed_forward_length"));
  SISKIN_TRY(shape.n_experts, meta.u64_or("llama.expert_count", 0));
  SISKIN_TRY(shape.top_k, meta.u64_or("llama.expert_used_count", 0));
  SISKIN_TRY(shape.ctx, meta.u64_or("llama.context_length", 2048));
  SISKIN_TRY(shape.rope_theta, meta.f64_or("llama.rope.freq_base", 10000));
  const TensorView* embedding = file.find("token_embd.weight");
  if (embedding == nullptr) return Error{ErrorCode::corrupt_file, path.string() + ": no tensor token_embd.weight"};
  shape.n_vocab = embedding->rows();
  shape.tied = file.find("output.weight") == nullptr;
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

uint64_t attention_params(const ModelShape& shape) {
  return uint64_t{2} * shape.d_model * shape.head_dim * (shape.n_heads + shape.n_kv_heads);  // q, output; k, v
}

}  // namespace

uint64_t ModelShape::total_params() const {
  const uint64_t experts = is_mixture() ? n_experts : 1;
  const uint64_t router = is_mixture() ? uint64_t{n_experts} * d_model : 0;
  const uint64_t layer = attention_params(*this) + experts * expert_params() + router + uint64_t{2} * d_model;
  return n_layers * layer + uint64_t{n_vocab} * d_model * (tied ? 1 : 2) + d_model;
}

uint64_t ModelShape::active_params() const {
  return is_mixture() ? total_params() - n_layers * (n_experts - top_k) * expert_params() : total_params();
}

Status check_shape(const ModelShape& shape, const std::string& name) {
  if (shape.architecture != "llama") {
    return Error{ErrorCode::unsupported, name + ": architecture '" + shape.architecture +
                                             "' cannot be synthesised yet; llama (and Mixtral-like mixtures) can"};
  }
  const struct {
    const char* key;
    size_t value;
  } counts[] = {
      {"n_layers", shape.n_layers}, {"d_model", shape.d_model}, {"n_heads", shape.n_heads}, {"n_kv_heads", shape.n_kv_heads},
      {"head_dim", shape.head_dim}, {"d_ff", shape.d_ff},       {"n_vocab", shape.n_vocab}, {"ctx", shape.ctx}};
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
  if (!(shape.rope_theta > 0)) return wrong("rope_theta: expected a positive number");
  return {};
}

Result<ModelShape> read_shape(const fs::path& path) {
  SISKIN_TRY(ModelShape shape, read_unchecked(path));
  SISKIN_TRY_STATUS(check_shape(shape, path.string()));
  return shape;
}

}  // namespace siskin
