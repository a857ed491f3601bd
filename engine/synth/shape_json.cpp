// A Hugging Face config.json as a shape. Only the Llama-like kinds: others have tensors that this shape cannot say.
#include <nlohmann/json.hpp>

#include "engine/synth/shape.h"
#include "formats/try.h"

namespace siskin {
namespace {

using Json = nlohmann::json;

Result<size_t> count_or(const Json& config, const char* key, size_t fallback, const std::string& name) {
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return fallback;
  if (!found->is_number_unsigned()) return Error{ErrorCode::corrupt_file, name + ": " + key + ": expected a count"};
  return found->get<size_t>();
}

Result<std::string> architecture_of(const Json& config, const std::string& name) {
  const auto found = config.find("model_type");
  if (found == config.end() || !found->is_string()) {
    return Error{ErrorCode::corrupt_file, name + ": model_type: expected a name"};
  }
  const auto type = found->get<std::string>();
  // GGUF's llama architecture is all three; Mixtral is it with experts.
  return type == "llama" || type == "mistral" || type == "mixtral" ? std::string("llama") : type;
}

}  // namespace

Result<ModelShape> parse_shape_json(std::string_view text, const std::string& name) {
  const Json config = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!config.is_object()) return Error{ErrorCode::corrupt_file, name + ": not a JSON object"};
  ModelShape shape;
  SISKIN_TRY(shape.architecture, architecture_of(config, name));
  if (shape.architecture != "llama") return shape;  // check_shape refuses it
  shape.name = config["model_type"].get<std::string>();
  SISKIN_TRY(shape.n_layers, count_or(config, "num_hidden_layers", 0, name));
  SISKIN_TRY(shape.d_model, count_or(config, "hidden_size", 0, name));
  SISKIN_TRY(shape.n_heads, count_or(config, "num_attention_heads", 0, name));
  SISKIN_TRY(shape.n_kv_heads, count_or(config, "num_key_value_heads", shape.n_heads, name));
  SISKIN_TRY(shape.head_dim, count_or(config, "head_dim", shape.n_heads == 0 ? 0 : shape.d_model / shape.n_heads, name));
  SISKIN_TRY(shape.d_ff, count_or(config, "intermediate_size", 0, name));
  SISKIN_TRY(shape.n_experts, count_or(config, "num_local_experts", 0, name));
  SISKIN_TRY(shape.top_k, count_or(config, "num_experts_per_tok", 0, name));
  SISKIN_TRY(shape.n_vocab, count_or(config, "vocab_size", 0, name));
  SISKIN_TRY(shape.ctx, count_or(config, "max_position_embeddings", 2048, name));
  shape.rope_theta =
      config.contains("rope_theta") && config["rope_theta"].is_number() ? config["rope_theta"].get<double>() : 10000;
  const auto tied = config.find("tie_word_embeddings");
  shape.tied = tied != config.end() && tied->is_boolean() && tied->get<bool>();
  return shape;
}

}  // namespace siskin
