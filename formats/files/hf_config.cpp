#include "formats/files/hf_config.h"

#include <algorithm>
#include <cmath>
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
  const char* gguf;  // general.architecture
  uint64_t context_length;
  uint64_t kv_heads;  // 0: as many as heads
  uint64_t head_dim;  // 0: hidden_size / heads
  double rms_epsilon;
  double rope_theta;
  bool has_experts;
  bool tied;

  std::string key(const char* name) const { return std::string(gguf) + "." + name; }
  bool is_gemma() const { return std::string_view(gguf) == "gemma3"; }
};

constexpr Family kFamilies[] = {
    {"llama", "LlamaForCausalLM", "llama", 2048, 0, 0, 1e-6, 1e4, false, false},
    {"mistral", "MistralForCausalLM", "llama", 131072, 8, 0, 1e-6, 1e4, false, false},
    {"mixtral", "MixtralForCausalLM", "llama", 131072, 8, 0, 1e-5, 1e6, true, false},
    {"qwen2", "Qwen2ForCausalLM", "qwen2", 32768, 32, 0, 1e-6, 1e4, false, false},
    {"gemma3_text", "Gemma3ForCausalLM", "gemma3", 131072, 4, 256, 1e-6, 1e6, false, true},
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
  Result<bool> flag(const char* key, bool fallback = false) const {
    const json* value = find(key);
    if (value == nullptr) return fallback;
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

std::string supported_architectures() {
  std::string names;
  for (const Family& family : kFamilies) names += (names.empty() ? "" : ", ") + std::string(family.architecture);
  return names;
}

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
  return unsupported_file(config.file(), "architecture " + in_quotes(architecture.empty() ? type : architecture) +
                                             " is not supported; " + supported_architectures() + " are");
}

Status refuse_unbuilt(const Config& config, const Family& family) {
  for (const char* key : {"attention_bias", "mlp_bias"}) {
    SISKIN_TRY(const bool on, config.flag(key));
    if (on) return unsupported_file(config.file(), in_quotes(key) + " is true; biases are not supported");
  }
  const char* activation_key = family.is_gemma() ? "hidden_activation" : "hidden_act";
  const std::string built = family.is_gemma() ? "gelu_pytorch_tanh" : "silu";
  SISKIN_TRY(const std::string activation, config.text_or(activation_key, built));
  if (activation != built && !(built == "silu" && activation == "swish")) {
    return unsupported_file(config.file(),
                            in_quotes(activation_key) + " is " + in_quotes(activation) + ", supported is " + built);
  }
  for (const char* key : {"attn_logit_softcapping", "final_logit_softcapping"}) {
    if (config.find(key) != nullptr) return unsupported_file(config.file(), in_quotes(key) + " is not supported");
  }
  SISKIN_TRY(const bool both_ways, config.flag("use_bidirectional_attention"));
  if (both_ways) return unsupported_file(config.file(), "'use_bidirectional_attention' is not supported");
  SISKIN_TRY(const double rotated, config.positive_or("partial_rotary_factor", 1.0));
  if (rotated != 1.0) return unsupported_file(config.file(), "'partial_rotary_factor' below 1 is not supported");
  return {};
}

// A window at least as long as the context hides nothing.
Status refuse_window(const Config& config, const Family& family, uint64_t context_length) {
  // Qwen's configurations name a window that another switch turns on.
  SISKIN_TRY(const bool used, config.flag("use_sliding_window", std::string_view(family.gguf) != "qwen2"));
  const json* window = used ? config.find("sliding_window") : nullptr;
  if (window == nullptr) return {};
  SISKIN_TRY(const uint64_t positions, config.count("sliding_window"));
  if (positions >= context_length) return {};
  return unsupported_file(config.file(), "'sliding_window' of " + std::to_string(positions) + " positions is not supported");
}

// Gemma 3's windows: of every few layers the last sees everything; `layer_types` says so layer by layer, older files by a
// number.
Status set_windows(const Config& config, const Family& family, uint64_t layers, Metadata& metadata) {
  SISKIN_TRY(const uint64_t window, config.count_or("sliding_window", 4096));
  SISKIN_TRY(uint64_t period, config.count_or("sliding_window_pattern", 6));
  if (const json* types = config.find("layer_types")) {
    if (!types->is_array() || types->size() != layers) {
      return corrupt_file(config.file(), "'layer_types' is no list of " + std::to_string(layers) + " layers");
    }
    const auto full = std::find(types->begin(), types->end(), "full_attention");
    period = static_cast<uint64_t>(full - types->begin()) + 1;
    for (size_t layer = 0; layer < layers; ++layer) {
      const char* expected = (layer + 1) % period == 0 ? "full_attention" : "sliding_attention";
      if ((*types)[layer] != expected) {
        return unsupported_file(config.file(), "'layer_types' does not repeat every " + std::to_string(period) + " layers");
      }
    }
  }
  metadata.set(family.key("attention.sliding_window"), window);
  metadata.set(family.key("attention.sliding_window_pattern"), period);
  SISKIN_TRY(const double scalar, config.positive_or("query_pre_attn_scalar", 256));
  metadata.set(family.key("attention.scale"), 1.0 / std::sqrt(scalar));
  return {};
}

// `rope` is rope_scaling, or rope_parameters of transformers 5, which also holds the base.
Status set_rope_scaling(const Config& rope, const Family& family, Metadata& metadata) {
  SISKIN_TRY(const std::string legacy_type, rope.text_or("type", "default"));
  SISKIN_TRY(const std::string type, rope.text_or("rope_type", legacy_type));
  if (type == "default") return {};
  if (type != "linear" && type != "llama3") {
    return unsupported_file(rope.file(), "rope scaling " + in_quotes(type) + " is not supported; linear and llama3 are");
  }
  SISKIN_TRY(const double factor, rope.positive("factor"));
  metadata.set(family.key("rope.scaling.type"), type);
  metadata.set(family.key("rope.scaling.factor"), as_f32(factor));
  if (type == "linear") return {};
  SISKIN_TRY(const double low, rope.positive("low_freq_factor"));
  SISKIN_TRY(const double high, rope.positive("high_freq_factor"));
  SISKIN_TRY(const uint64_t original, rope.count("original_max_position_embeddings"));
  if (!(low < high)) return corrupt_file(rope.file(), "'low_freq_factor' is not below 'high_freq_factor'");
  metadata.set(family.key("rope.scaling.low_freq_factor"), as_f32(low));
  metadata.set(family.key("rope.scaling.high_freq_factor"), as_f32(high));
  metadata.set(family.key("rope.scaling.original_context_length"), original);
  return {};
}

Status set_rope(const Config& config, const Family& family, Metadata& metadata) {
  SISKIN_TRY(double theta, config.positive_or("rope_theta", family.rope_theta));
  double local_theta = 1e4;
  if (family.is_gemma()) {
    SISKIN_TRY(local_theta, config.positive_or("rope_local_base_freq", local_theta));
  }
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const json* member = config.find(key);
    if (member == nullptr) continue;
    if (!member->is_object()) return corrupt_file(config.file(), in_quotes(key) + " is not an object");
    const Config rope(*member, config.file());
    const json* local = family.is_gemma() ? rope.find("sliding_attention") : nullptr;
    const json* full =
        family.is_gemma() ? rope.find("full_attention") : nullptr;  // transformers 5 says it for each kind of layer
    if (local != nullptr && local->is_object()) {
      SISKIN_TRY(local_theta, Config(*local, config.file()).positive_or("rope_theta", local_theta));
    }
    const Config of_full(full != nullptr && full->is_object() ? *full : *member, config.file());
    SISKIN_TRY(theta, of_full.positive_or("rope_theta", theta));
    SISKIN_TRY_STATUS(set_rope_scaling(of_full, family, metadata));
  }
  metadata.set(family.key("rope.freq_base"), as_f32(theta));
  if (family.is_gemma()) metadata.set(family.key("rope.freq_base_swa"), as_f32(local_theta));
  return {};
}

Status set_attention(const Config& config, const Family& family, uint64_t hidden, Metadata& metadata) {
  SISKIN_TRY(const uint64_t heads, config.count("num_attention_heads"));
  SISKIN_TRY(const uint64_t kv_heads, config.count_or("num_key_value_heads", family.kv_heads == 0 ? heads : family.kv_heads));
  if (heads % kv_heads != 0) {
    return corrupt_file(config.file(), std::to_string(heads) + " attention heads, expected a multiple of the " +
                                           std::to_string(kv_heads) + " key-value heads");
  }
  if (config.find("head_dim") == nullptr && family.head_dim == 0 && hidden % heads != 0) {
    return corrupt_file(config.file(), "'hidden_size' " + std::to_string(hidden) + " is not a multiple of the " +
                                           std::to_string(heads) + " attention heads, and there is no 'head_dim'");
  }
  SISKIN_TRY(const uint64_t head_dim, config.count_or("head_dim", family.head_dim == 0 ? hidden / heads : family.head_dim));
  if (head_dim % 2 != 0) return corrupt_file(config.file(), "'head_dim' " + std::to_string(head_dim) + " is odd");
  metadata.set(family.key("attention.head_count"), heads);
  metadata.set(family.key("attention.head_count_kv"), kv_heads);
  metadata.set(family.key("attention.key_length"), head_dim);
  metadata.set(family.key("attention.value_length"), head_dim);
  metadata.set(family.key("rope.dimension_count"), head_dim);
  SISKIN_TRY(const double epsilon, config.positive_or("rms_norm_eps", family.rms_epsilon));
  metadata.set(family.key("attention.layer_norm_rms_epsilon"), as_f32(epsilon));
  return {};
}

Status set_experts(const Config& config, const Family& family, Metadata& metadata) {
  SISKIN_TRY(const uint64_t experts, config.count_or("num_local_experts", 8));
  SISKIN_TRY(const uint64_t used, config.count_or("num_experts_per_tok", 2));
  if (used > experts) {
    return corrupt_file(config.file(), std::to_string(used) + " experts per token, expected at most the " +
                                           std::to_string(experts) + " that there are");
  }
  metadata.set(family.key("expert_count"), experts);
  metadata.set(family.key("expert_used_count"), used);
  return {};
}

}  // namespace

Result<HfConfig> parse_hf_config(std::span<const std::byte> bytes, const std::string& file, const std::string& model_name) {
  SISKIN_TRY(const json object, parse_json_object(bytes, file));
  const Config config(object, file);
  SISKIN_TRY(const Family* found, find_family(config));
  const Family& family = *found;
  SISKIN_TRY_STATUS(refuse_unbuilt(config, family));
  HfConfig out;
  Metadata& metadata = out.metadata;
  SISKIN_TRY(const uint64_t layers, config.count("num_hidden_layers"));
  SISKIN_TRY(const uint64_t hidden, config.count("hidden_size"));
  SISKIN_TRY(const uint64_t intermediate, config.count("intermediate_size"));
  SISKIN_TRY(const uint64_t vocabulary, config.count("vocab_size"));
  SISKIN_TRY(const uint64_t context, config.count_or("max_position_embeddings", family.context_length));
  if (!family.is_gemma()) SISKIN_TRY_STATUS(refuse_window(config, family, context));
  metadata.set("general.architecture", std::string(family.gguf));
  metadata.set("general.name", model_name);
  metadata.set(family.key("block_count"), layers);
  metadata.set(family.key("context_length"), context);
  metadata.set(family.key("embedding_length"), hidden);
  metadata.set(family.key("feed_forward_length"), intermediate);
  metadata.set(family.key("vocab_size"), vocabulary);
  SISKIN_TRY_STATUS(set_attention(config, family, hidden, metadata));
  SISKIN_TRY_STATUS(set_rope(config, family, metadata));
  if (family.has_experts) SISKIN_TRY_STATUS(set_experts(config, family, metadata));
  if (family.is_gemma()) SISKIN_TRY_STATUS(set_windows(config, family, layers, metadata));
  SISKIN_TRY(out.tied_embeddings, config.flag("tie_word_embeddings", family.tied));
  if (const json* quantization = config.find("quantization_config")) {
    SISKIN_TRY(out.quantization, parse_hf_quantization(*quantization, file));
  }
  return out;
}

}  // namespace siskin
