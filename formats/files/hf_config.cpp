#include "formats/files/hf_config.h"

#include <algorithm>
#include <cmath>

#include "formats/files/checked_json.h"
#include "formats/files/error_text.h"
#include "formats/files/hf/config_reader.h"
#include "formats/try.h"

namespace siskin {
namespace {

using nlohmann::json;

std::string supported_architectures() {
  std::string names;
  for (const HfFamily* family : hf_families()) names += (names.empty() ? "" : ", ") + std::string(family->architecture);
  return names;
}

Result<const HfFamily*> find_family(const HfConfigReader& config) {
  SISKIN_TRY(std::string type, config.text_or("model_type", ""));
  std::string architecture;
  if (const json* list = config.find("architectures")) {
    if (!list->is_array() || list->size() != 1 || !(*list)[0].is_string()) {
      return corrupt_file(config.file(), "'architectures' is not an array of one string");
    }
    architecture = (*list)[0].get<std::string>();
  }
  if (type.empty() && architecture.empty()) return corrupt_file(config.file(), "no 'model_type' and no 'architectures'");
  for (const HfFamily* family : hf_families()) {
    const bool same_type = type.empty() || type == family->model_type;
    const bool same_architecture = architecture.empty() || architecture == family->architecture;
    if (same_type && same_architecture) return family;
  }
  return unsupported_file(config.file(), "architecture " + in_quotes(architecture.empty() ? type : architecture) +
                                             " is not supported; " + supported_architectures() + " are");
}

Status refuse_unbuilt(const HfConfigReader& config, const HfFamily& family) {
  for (const char* key : {"attention_bias", "mlp_bias", "use_bias"}) {
    SISKIN_TRY(const bool on, config.flag(key));
    if (!on || (family.attention_bias && std::string_view(key) == "attention_bias")) continue;
    return unsupported_file(config.file(), in_quotes(key) + " is true; biases are not supported");
  }
  const std::string built = family.activation;
  SISKIN_TRY(const std::string activation, config.text_or(family.activation_key, built));
  if (activation != built && !(built == "silu" && activation == "swish")) {
    return unsupported_file(config.file(),
                            in_quotes(family.activation_key) + " is " + in_quotes(activation) + ", supported is " + built);
  }
  return {};
}

// How much of a head is rotated, by how much: at the top in older files, in "rope_parameters" in those of transformers 5, there
// once for each kind of layer where kinds differ.
Status set_rope(const HfConfigReader& config, const HfFamily& family, uint64_t head_dim, HfConfig& out) {
  Metadata& metadata = out.metadata;
  SISKIN_TRY(double theta, config.positive_or("rope_theta", family.rope_theta));
  const double all = family.rotated == 0 ? 1.0 : family.rotated;
  SISKIN_TRY(double rotated, config.positive_or("partial_rotary_factor", all));
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const json* member = config.find(key);
    if (member == nullptr) continue;
    if (!member->is_object()) return corrupt_file(config.file(), in_quotes(key) + " is not an object");
    const HfConfigReader rope(*member, config.file());
    const json* full = rope.find("full_attention");
    const HfConfigReader of_full(full != nullptr && full->is_object() ? *full : *member, config.file());
    SISKIN_TRY(theta, of_full.positive_or("rope_theta", theta));
    SISKIN_TRY(rotated, of_full.positive_or("partial_rotary_factor", rotated));
    if (family.stretches_base && of_full.find("alpha") != nullptr) {
      // Frequencies of NTK-aware scaling by a fixed factor. Source: transformers' models/hunyuan_v1_moe.
      SISKIN_TRY(const double alpha, of_full.positive("alpha"));
      const auto d = static_cast<double>(head_dim);
      if (head_dim > 2) theta *= std::pow(alpha, d / (d - 2));
      continue;
    }
    SISKIN_TRY_STATUS(set_rope_scaling(config, of_full, family, metadata, out.vectors));
  }
  if (family.rotated == 0 && rotated != 1.0) {
    return unsupported_file(config.file(), "'partial_rotary_factor' below 1 is not supported");
  }
  const auto n_rot = static_cast<uint64_t>(static_cast<double>(head_dim) * std::min(rotated, 1.0));
  if (n_rot == 0 || n_rot % 2 != 0) {
    return corrupt_file(config.file(), "'partial_rotary_factor' rotates " + std::to_string(n_rot) + " of " +
                                           std::to_string(head_dim) + " elements of a head, expected an even number");
  }
  for (const HfVector& factors : out.vectors) {
    if (factors.values.size() == n_rot / 2) continue;
    return corrupt_file(config.file(), "'long_factor' and 'short_factor': " + std::to_string(factors.values.size()) +
                                           " factors, expected " + std::to_string(n_rot / 2));
  }
  metadata.set(family.key("rope.freq_base"), as_f32(theta));
  metadata.set(family.key("rope.dimension_count"), n_rot);
  return {};
}

Status set_attention(const HfConfigReader& config, const HfFamily& family, uint64_t hidden, HfConfig& out) {
  Metadata& metadata = out.metadata;
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
  SISKIN_TRY(const double epsilon, config.positive_or("rms_norm_eps", family.rms_epsilon));
  metadata.set(family.key(family.epsilon_key), as_f32(epsilon));
  return set_rope(config, family, head_dim, out);
}

}  // namespace

Result<HfConfig> parse_hf_config(std::span<const std::byte> bytes, const std::string& file, const std::string& model_name) {
  SISKIN_TRY(const json object, parse_json_object(bytes, file));
  HfConfig out;
  SISKIN_TRY(out.family, find_family(HfConfigReader(object, file)));
  const HfFamily& family = *out.family;
  const json renamed = family.in_common_names == nullptr ? json() : family.in_common_names(object);
  const HfConfigReader config(family.in_common_names == nullptr ? object : renamed, file);
  SISKIN_TRY_STATUS(refuse_unbuilt(config, family));
  Metadata& metadata = out.metadata;
  SISKIN_TRY(const uint64_t layers, config.count("num_hidden_layers"));
  SISKIN_TRY(const uint64_t hidden, config.count("hidden_size"));
  SISKIN_TRY(const uint64_t intermediate, config.count("intermediate_size"));
  SISKIN_TRY(const uint64_t vocabulary, config.count("vocab_size"));
  SISKIN_TRY(const uint64_t context, config.count_or("max_position_embeddings", family.context_length));
  metadata.set("general.architecture", std::string(family.gguf));
  metadata.set("general.name", model_name);
  metadata.set(family.key("block_count"), layers);
  metadata.set(family.key("context_length"), context);
  metadata.set(family.key("embedding_length"), hidden);
  metadata.set(family.key("feed_forward_length"), intermediate);
  metadata.set(family.key("vocab_size"), vocabulary);
  SISKIN_TRY_STATUS(set_attention(config, family, hidden, out));
  SISKIN_TRY_STATUS(family.describe(config, family, metadata, out.layers));
  SISKIN_TRY(out.tied_embeddings, config.flag("tie_word_embeddings", family.tied));
  if (const json* quantization = config.find("quantization_config")) {
    SISKIN_TRY(out.quantization, parse_hf_quantization(*quantization, file));
  }
  return out;
}

}  // namespace siskin
