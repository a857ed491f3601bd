#include "formats/files/hf_config.h"

#include <limits>

#include "formats/files/checked_json.h"
#include "formats/files/error_text.h"
#include "formats/try.h"

namespace siskin {
namespace {

using nlohmann::json;

// A model_type that is built, and the defaults of its transformers configuration class.
struct Family {
  const char* model_type;
  const char* architecture;
  uint64_t context_length;
  uint64_t kv_heads;  // 0: as many as heads
  double rms_epsilon;
  double rope_theta;
  bool has_experts;
};

constexpr Family kFamilies[] = {
    {"llama", "LlamaForCausalLM", 2048, 0, 1e-6, 1e4, false},
    {"mistral", "MistralForCausalLM", 131072, 8, 1e-6, 1e4, false},
    {"mixtral", "MixtralForCausalLM", 131072, 8, 1e-5, 1e6, true},
};

constexpr uint64_t kMaxCount = uint64_t{1} << 31;  // of anything: keeps products of two within 64 bits

// Reads members with the file's name in every error. A null member is an absent one, as in Python.
class Config {
 public:
  Config(const json& object, const std::string& file) : object_(object), file_(file) {}

  const json* find(const char* key) const {
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }
  const std::string& file() const { return file_; }

  Result<uint64_t> count(const char* key) const {
    const json* value = find(key);
    if (value == nullptr) return corrupt_file(file_, "no " + in_quotes(key));
    if (!value->is_number_unsigned() || value->get<uint64_t>() == 0 || value->get<uint64_t>() > kMaxCount) {
      return corrupt_file(file_,
                          in_quotes(key) + " is " + in_quotes(value->dump()) + ", expected a whole number from 1 to 2^31");
    }
    return value->get<uint64_t>();
  }
  Result<uint64_t> count_or(const char* key, uint64_t fallback) const {
    if (find(key) == nullptr) return fallback;
    return count(key);
  }
  Result<double> positive(const char* key) const {
    const json* value = find(key);
    if (value == nullptr) return corrupt_file(file_, "no " + in_quotes(key));
    if (!value->is_number() || !(value->get<double>() > 0) ||
        value->get<double>() > double{std::numeric_limits<float>::max()}) {
      return corrupt_file(file_, in_quotes(key) + " is " + in_quotes(value->dump()) + ", expected a number above 0");
    }
    return value->get<double>();
  }
  Result<double> positive_or(const char* key, double fallback) const {
    if (find(key) == nullptr) return fallback;
    return positive(key);
  }
  Result<bool> flag(const char* key) const {
    const json* value = find(key);
    if (value == nullptr) return false;
    if (!value->is_boolean())
      return corrupt_file(file_, in_quotes(key) + " is " + in_quotes(value->dump()) + ", expected true or false");
    return value->get<bool>();
  }
  Result<std::string> text_or(const char* key, const std::string& fallback) const {
    const json* value = find(key);
    if (value == nullptr) return fallback;
    if (!value->is_string())
      return corrupt_file(file_, in_quotes(key) + " is " + in_quotes(value->dump()) + ", expected a string");
    return value->get<std::string>();
  }

 private:
  const json& object_;
  const std::string& file_;
};

// GGUF holds F32: rounding here makes a folder and its conversion the same model.
double as_f32(double value) { return static_cast<double>(static_cast<float>(value)); }

Result<const Family*> find_family(const Config& config) {
  SISKIN_TRY(std::string type, config.text_or("model_type", ""));
  std::string architecture;
  if (const json* list = config.find("architectures")) {
    if (!list->is_array() || list->size() != 1 || !(*list)[0].is_string()) {
      return corrupt_file(config.file(), "'architectures' is not an array of one string");
    }
    architecture = (*list)[0].get<std::string>();
  }
  if (type.empty() && architecture.empty()) return corrupt_file(config.file(), "no 'model_type' and no 'architectures'");
  for (const Family& family : kFamilies) {
    const bool same_type = type.empty() || type == family.model_type;
    const bool same_architecture = architecture.empty() || architecture == family.architecture;
    if (same_type && same_architecture) return &family;
  }
  return unsupported_file(config.file(),
                          "architecture " + in_quotes(architecture.empty() ? type : architecture) +
                              " is not supported; LlamaForCausalLM, MistralForCausalLM and MixtralForCausalLM are");
}

Status refuse_unbuilt(const Config& config) {
  for (const char* key : {"attention_bias", "mlp_bias"}) {
    SISKIN_TRY(const bool on, config.flag(key));
    if (on) return unsupported_file(config.file(), in_quotes(key) + " is true; biases are not supported");
  }
  SISKIN_TRY(const std::string activation, config.text_or("hidden_act", "silu"));
  if (activation != "silu" && activation != "swish") {
    return unsupported_file(config.file(), "'hidden_act' is " + in_quotes(activation) + ", supported is silu");
  }
  if (const json* quantization = config.find("quantization_config")) {
    const bool named =
        quantization->is_object() && quantization->contains("quant_method") && (*quantization)["quant_method"].is_string();
    return unsupported_file(config.file(), "weights quantized by " +
                                               in_quotes(named ? (*quantization)["quant_method"].get<std::string>() : "?") +
                                               " are not supported; F32, F16 and BF16 are");
  }
  SISKIN_TRY(const double rotated, config.positive_or("partial_rotary_factor", 1.0));
  if (rotated != 1.0) return unsupported_file(config.file(), "'partial_rotary_factor' below 1 is not supported");
  return {};
}

// A window at least as long as the context hides nothing.
Status refuse_window(const Config& config, uint64_t context_length) {
  const json* window = config.find("sliding_window");
  if (window == nullptr) return {};
  SISKIN_TRY(const uint64_t positions, config.count("sliding_window"));
  if (positions >= context_length) return {};
  return unsupported_file(config.file(), "'sliding_window' of " + std::to_string(positions) + " positions is not supported");
}

// `rope` is rope_scaling, or rope_parameters of transformers 5, which also holds the base.
Status set_rope_scaling(const Config& rope, Metadata& metadata) {
  SISKIN_TRY(const std::string legacy_type, rope.text_or("type", "default"));
  SISKIN_TRY(const std::string type, rope.text_or("rope_type", legacy_type));
  if (type == "default") return {};
  if (type != "linear" && type != "llama3") {
    return unsupported_file(rope.file(), "rope scaling " + in_quotes(type) + " is not supported; linear and llama3 are");
  }
  SISKIN_TRY(const double factor, rope.positive("factor"));
  metadata.set("llama.rope.scaling.type", type);
  metadata.set("llama.rope.scaling.factor", as_f32(factor));
  if (type == "linear") return {};
  SISKIN_TRY(const double low, rope.positive("low_freq_factor"));
  SISKIN_TRY(const double high, rope.positive("high_freq_factor"));
  SISKIN_TRY(const uint64_t original, rope.count("original_max_position_embeddings"));
  if (!(low < high)) return corrupt_file(rope.file(), "'low_freq_factor' is not below 'high_freq_factor'");
  metadata.set("llama.rope.scaling.low_freq_factor", as_f32(low));
  metadata.set("llama.rope.scaling.high_freq_factor", as_f32(high));
  metadata.set("llama.rope.scaling.original_context_length", original);
  return {};
}

Status set_rope(const Config& config, const Family& family, Metadata& metadata) {
  SISKIN_TRY(double theta, config.positive_or("rope_theta", family.rope_theta));
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const json* member = config.find(key);
    if (member == nullptr) continue;
    if (!member->is_object()) return corrupt_file(config.file(), in_quotes(key) + " is not an object");
    const Config rope(*member, config.file());
    SISKIN_TRY(theta, rope.positive_or("rope_theta", theta));
    SISKIN_TRY_STATUS(set_rope_scaling(rope, metadata));
  }
  metadata.set("llama.rope.freq_base", as_f32(theta));
  return {};
}

Status set_attention(const Config& config, const Family& family, uint64_t hidden, Metadata& metadata) {
  SISKIN_TRY(const uint64_t heads, config.count("num_attention_heads"));
  SISKIN_TRY(const uint64_t kv_heads, config.count_or("num_key_value_heads", family.kv_heads == 0 ? heads : family.kv_heads));
  if (heads % kv_heads != 0) {
    return corrupt_file(config.file(), std::to_string(heads) + " attention heads, expected a multiple of the " +
                                           std::to_string(kv_heads) + " key-value heads");
  }
  if (config.find("head_dim") == nullptr && hidden % heads != 0) {
    return corrupt_file(config.file(), "'hidden_size' " + std::to_string(hidden) + " is not a multiple of the " +
                                           std::to_string(heads) + " attention heads, and there is no 'head_dim'");
  }
  SISKIN_TRY(const uint64_t head_dim, config.count_or("head_dim", hidden / heads));
  if (head_dim % 2 != 0) return corrupt_file(config.file(), "'head_dim' " + std::to_string(head_dim) + " is odd");
  metadata.set("llama.attention.head_count", heads);
  metadata.set("llama.attention.head_count_kv", kv_heads);
  metadata.set("llama.attention.key_length", head_dim);
  metadata.set("llama.attention.value_length", head_dim);
  metadata.set("llama.rope.dimension_count", head_dim);
  SISKIN_TRY(const double epsilon, config.positive_or("rms_norm_eps", family.rms_epsilon));
  metadata.set("llama.attention.layer_norm_rms_epsilon", as_f32(epsilon));
  return {};
}

Status set_experts(const Config& config, Metadata& metadata) {
  SISKIN_TRY(const uint64_t experts, config.count_or("num_local_experts", 8));
  SISKIN_TRY(const uint64_t used, config.count_or("num_experts_per_tok", 2));
  if (used > experts) {
    return corrupt_file(config.file(), std::to_string(used) + " experts per token, expected at most the " +
                                           std::to_string(experts) + " that there are");
  }
  metadata.set("llama.expert_count", experts);
  metadata.set("llama.expert_used_count", used);
  return {};
}

}  // namespace

Result<HfConfig> parse_hf_config(std::span<const std::byte> bytes, const std::string& file, const std::string& model_name) {
  SISKIN_TRY(const json object, parse_json_object(bytes, file));
  const Config config(object, file);
  SISKIN_TRY(const Family* family, find_family(config));
  SISKIN_TRY_STATUS(refuse_unbuilt(config));
  HfConfig out;
  Metadata& metadata = out.metadata;
  SISKIN_TRY(const uint64_t layers, config.count("num_hidden_layers"));
  SISKIN_TRY(const uint64_t hidden, config.count("hidden_size"));
  SISKIN_TRY(const uint64_t intermediate, config.count("intermediate_size"));
  SISKIN_TRY(const uint64_t vocabulary, config.count("vocab_size"));
  SISKIN_TRY(const uint64_t context, config.count_or("max_position_embeddings", family->context_length));
  SISKIN_TRY_STATUS(refuse_window(config, context));
  metadata.set("general.architecture", std::string("llama"));
  metadata.set("general.name", model_name);
  metadata.set("llama.block_count", layers);
  metadata.set("llama.context_length", context);
  metadata.set("llama.embedding_length", hidden);
  metadata.set("llama.feed_forward_length", intermediate);
  metadata.set("llama.vocab_size", vocabulary);
  SISKIN_TRY_STATUS(set_attention(config, *family, hidden, metadata));
  SISKIN_TRY_STATUS(set_rope(config, *family, metadata));
  if (family->has_experts) SISKIN_TRY_STATUS(set_experts(config, metadata));
  SISKIN_TRY(out.tied_embeddings, config.flag("tie_word_embeddings"));
  return out;
}

}  // namespace siskin
