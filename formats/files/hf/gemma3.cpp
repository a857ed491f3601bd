// Gemma 3, the text side.
#include <algorithm>
#include <cmath>

#include "formats/files/error_text.h"
#include "formats/files/hf/family.h"
#include "formats/try.h"

namespace siskin {
namespace {

// Gemma 3 has a norm on both sides of each block, so that the name which others give to the norm before the second means
// another.
constexpr HfRename kTensors[] = {
    {"self_attn.q_norm.weight", "attn_q_norm.weight"},
    {"self_attn.k_norm.weight", "attn_k_norm.weight"},
    {"post_attention_layernorm.weight", "post_attention_norm.weight"},
    {"pre_feedforward_layernorm.weight", "ffn_norm.weight"},
    {"post_feedforward_layernorm.weight", "post_ffw_norm.weight"},
};

// Gemma 3's windows: of every few layers the last sees everything; `layer_types` says so layer by layer, older files by a
// number.
Status set_windows(const HfConfigReader& config, const HfFamily& family, uint64_t layers, Metadata& metadata) {
  SISKIN_TRY(const uint64_t window, config.count_or("sliding_window", 4096));
  SISKIN_TRY(uint64_t period, config.count_or("sliding_window_pattern", 6));
  if (const nlohmann::json* types = config.find("layer_types")) {
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

// The base of layers with a window: transformers 5 says it beside that of the others.
Status set_local_base(const HfConfigReader& config, const HfFamily& family, Metadata& metadata) {
  SISKIN_TRY(double theta, config.positive_or("rope_local_base_freq", 1e4));
  const nlohmann::json* rope = config.find("rope_parameters");
  if (rope != nullptr && rope->is_object() && rope->contains("sliding_attention") && (*rope)["sliding_attention"].is_object()) {
    SISKIN_TRY(theta, HfConfigReader((*rope)["sliding_attention"], config.file()).positive_or("rope_theta", theta));
  }
  metadata.set(family.key("rope.freq_base_swa"), as_f32(theta));
  return {};
}

Status describe(const HfConfigReader& config, const HfFamily& family, Metadata& metadata, HfLayers&) {
  for (const char* key : {"attn_logit_softcapping", "final_logit_softcapping"}) {
    if (config.find(key) != nullptr) return unsupported_file(config.file(), in_quotes(key) + " is not supported");
  }
  SISKIN_TRY(const bool both_ways, config.flag("use_bidirectional_attention"));
  if (both_ways) return unsupported_file(config.file(), "'use_bidirectional_attention' is not supported");
  SISKIN_TRY(const uint64_t layers, config.count("num_hidden_layers"));
  SISKIN_TRY_STATUS(set_windows(config, family, layers, metadata));
  return set_local_base(config, family, metadata);
}

}  // namespace

const HfFamily kHfGemma3 = {.model_type = "gemma3_text",
                            .architecture = "Gemma3ForCausalLM",
                            .gguf = "gemma3",
                            .context_length = 131072,
                            .kv_heads = 4,
                            .head_dim = 256,
                            .rope_theta = 1e6,
                            .tied = true,
                            .activation_key = "hidden_activation",
                            .activation = "gelu_pytorch_tanh",
                            .describe = describe,
                            .tensors = kTensors};

}  // namespace siskin
