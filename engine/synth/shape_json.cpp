// A Hugging Face config.json as a shape.
#include <initializer_list>
#include <nlohmann/json.hpp>

#include "engine/synth/architecture.h"
#include "engine/synth/shape.h"
#include "formats/try.h"

namespace siskin {
namespace {

using Json = nlohmann::json;

// A member of `object`, or of one of the objects nested in it by these names (DBRX keeps attention and experts apart).
const Json* find_member(const Json& object, const char* key) {
  if (const auto found = object.find(key); found != object.end() && !found->is_null()) return &*found;
  for (const char* part : {"attn_config", "ffn_config"}) {
    const auto nested = object.find(part);
    if (nested == object.end() || !nested->is_object()) continue;
    if (const auto found = nested->find(key); found != nested->end() && !found->is_null()) return &*found;
  }
  return nullptr;
}

// The first of these keys that is there; `fallback` when none is.
Result<size_t> count_or(const Json& config, std::initializer_list<const char*> keys, size_t fallback, const std::string& name) {
  for (const char* key : keys) {
    const Json* found = find_member(config, key);
    if (found == nullptr) continue;
    if (!found->is_number_unsigned()) return Error{ErrorCode::corrupt_file, name + ": " + key + ": expected a count"};
    return found->get<size_t>();
  }
  return fallback;
}

double number_or(const Json& config, const char* key, double fallback) {
  const Json* found = find_member(config, key);
  return found != nullptr && found->is_number() ? found->get<double>() : fallback;
}

// GGUF's word for a model_type: its llama is also Mistral, and Mixtral with experts.
std::string architecture_of(const std::string& model_type) {
  constexpr const char* kOthers[][2] = {{"mistral", "llama"},
                                        {"mixtral", "llama"},
                                        {"qwen3_moe", "qwen3moe"},
                                        {"deepseek_v2", "deepseek2"},
                                        {"gpt_oss", "gpt-oss"}};
  for (const auto& [theirs, gguf] : kOthers) {
    if (model_type == theirs) return gguf;
  }
  return model_type;
}

}  // namespace

Result<ModelShape> parse_shape_json(std::string_view text, const std::string& name) {
  const Json config = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!config.is_object()) return Error{ErrorCode::corrupt_file, name + ": not a JSON object"};
  const auto type = config.find("model_type");
  if (type == config.end() || !type->is_string()) return Error{ErrorCode::corrupt_file, name + ": model_type: expected a name"};
  ModelShape shape;
  shape.name = type->get<std::string>();
  shape.architecture = architecture_of(shape.name);
  if (!can_be_synthesised(shape.architecture)) return shape;  // check_shape refuses it
  SISKIN_TRY(shape.n_layers, count_or(config, {"num_hidden_layers", "n_layers"}, 0, name));
  SISKIN_TRY(shape.d_model, count_or(config, {"hidden_size", "d_model"}, 0, name));
  SISKIN_TRY(shape.n_heads, count_or(config, {"num_attention_heads", "n_heads"}, 0, name));
  SISKIN_TRY(shape.n_kv_heads, count_or(config, {"num_key_value_heads", "kv_n_heads"}, 0, name));
  SISKIN_TRY(shape.head_dim, count_or(config, {"head_dim"}, 0, name));
  SISKIN_TRY(shape.d_ff, count_or(config, {"intermediate_size", "ffn_hidden_size"}, 0, name));
  SISKIN_TRY(shape.d_expert, count_or(config, {"moe_intermediate_size"}, 0, name));
  SISKIN_TRY(shape.n_experts,
             count_or(config, {"num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts"}, 0, name));
  SISKIN_TRY(shape.top_k, count_or(config, {"num_experts_per_tok", "moe_top_k"}, 0, name));
  SISKIN_TRY(shape.n_shared_experts, count_or(config, {"n_shared_experts"}, 0, name));
  SISKIN_TRY(shape.n_dense_layers, count_or(config, {"first_k_dense_replace"}, 0, name));
  SISKIN_TRY(shape.n_vocab, count_or(config, {"vocab_size"}, 0, name));
  SISKIN_TRY(shape.ctx, count_or(config, {"max_position_embeddings", "max_seq_len"}, 2048, name));
  if (shape.architecture == "deepseek2") {
    SISKIN_TRY(shape.kv_rank, count_or(config, {"kv_lora_rank"}, 0, name));
    SISKIN_TRY(shape.rope_dim, count_or(config, {"qk_rope_head_dim"}, 0, name));
    SISKIN_TRY(const size_t unrotated, count_or(config, {"qk_nope_head_dim"}, 0, name));
    SISKIN_TRY(shape.value_dim, count_or(config, {"v_head_dim"}, 0, name));
    shape.head_dim = unrotated + shape.rope_dim;
  }
  if (shape.architecture == "phi3" || shape.architecture == "gpt-oss") {
    SISKIN_TRY(shape.window, count_or(config, {"sliding_window"}, 0, name));
  }
  if (shape.architecture == "gpt-oss") shape.d_expert = shape.d_ff;
  shape.rope_theta = number_or(config, "rope_theta", 10000);
  shape.norm_eps = number_or(config, "rms_norm_eps", 1e-5);
  const Json* tied = find_member(config, "tie_word_embeddings");
  shape.tied =
      tied != nullptr && tied->is_boolean() ? tied->get<bool>() : shape.architecture == "gemma";  // its class's default
  complete_shape(shape);
  return shape;
}

}  // namespace siskin
