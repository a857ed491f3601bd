// Llama 4, its text model: by itself, or beside a vision model, which is left out.
#include "formats/files/error_text.h"
#include "formats/files/hf/family.h"
#include "formats/try.h"

namespace siskin {
namespace {

using nlohmann::json;

constexpr HfRename kTensors[] = {
    {"feed_forward.router.weight", "ffn_gate_inp.weight"},
    {"feed_forward.experts.gate_up_proj", "ffn_gate_up_exps.weight", true},
    {"feed_forward.experts.down_proj", "ffn_down_exps.weight", true},
    {"feed_forward.shared_expert.gate_proj.weight", "ffn_gate_shexp.weight"},
    {"feed_forward.shared_expert.up_proj.weight", "ffn_up_shexp.weight"},
    {"feed_forward.shared_expert.down_proj.weight", "ffn_down_shexp.weight"},
    {"feed_forward.gate_proj.weight", "ffn_gate.weight"},
    {"feed_forward.up_proj.weight", "ffn_up.weight"},
    {"feed_forward.down_proj.weight", "ffn_down.weight"},
};

constexpr std::string_view kVision[] = {"vision_model.", "multi_modal_projector."};

// Its text model's own members, with what the file says of all of its models.
json text_config(const json& config) {
  const auto text = config.find("text_config");
  json out = text == config.end() || !text->is_object() ? json::object() : *text;
  for (const char* shared : {"quantization_config", "tie_word_embeddings"}) {
    if (config.contains(shared) && !out.contains(shared)) out[shared] = config[shared];
  }
  return out;
}

// Lists by layer are in the file beside the periods that they follow: one that does not is another model.
Status check_layers(const HfConfigReader& config, uint64_t layers, uint64_t moe_step, uint64_t rope_period) {
  json rotated = json::array(), kinds = json::array(), mixtures = json::array();
  for (uint64_t layer = 0; layer < layers; ++layer) {
    const bool rotates = (layer + 1) % rope_period != 0;
    rotated.push_back(rotates ? 1 : 0);
    kinds.push_back(rotates ? "chunked_attention" : "full_attention");
    if ((layer + 1) % moe_step == 0) mixtures.push_back(layer);
  }
  const std::pair<const char*, const json*> lists[] = {
      {"no_rope_layers", &rotated}, {"layer_types", &kinds}, {"moe_layers", &mixtures}};
  for (const auto& [key, expected] : lists) {
    const json* list = config.find(key);
    if (list == nullptr || *list == *expected || (list == config.find("no_rope_layers") && list->empty())) continue;
    return unsupported_file(config.file(), in_quotes(key) + " that differs from the periods of layers is not supported");
  }
  return {};
}

// True, or the number that older files have.
Result<bool> grows(const HfConfigReader& config) {
  const json* tuning = config.find("attn_temperature_tuning");
  if (tuning != nullptr && tuning->is_number()) return *tuning != 0;
  return config.flag("attn_temperature_tuning", true);
}

Status describe(const HfConfigReader& config, const HfFamily& family, Metadata& metadata, HfLayers&) {
  SISKIN_TRY_STATUS(
      set_experts(config, family, {"num_local_experts", 16, "num_experts_per_tok", 1, "intermediate_size", 8192}, metadata));
  SISKIN_TRY(const uint64_t width, config.count("intermediate_size"));
  SISKIN_TRY(const uint64_t dense, config.count_or("intermediate_size_mlp", 16384));
  SISKIN_TRY(const uint64_t step, config.count_or("interleave_moe_layer_step", 1));
  SISKIN_TRY(const uint64_t period, config.count_or("no_rope_layer_interval", 4));
  SISKIN_TRY(const uint64_t layers, metadata.u64(family.key("block_count")));
  if (layers > 1u << 20) return corrupt_file(config.file(), "'num_hidden_layers' is above 1048576");
  SISKIN_TRY_STATUS(check_layers(config, layers, step, period));
  SISKIN_TRY(const uint64_t chunk, config.count_or("attention_chunk_size", 8192));
  SISKIN_TRY(const bool growing, grows(config));
  SISKIN_TRY(const double growth, config.positive_or("attn_scale", 0.1));
  SISKIN_TRY(const uint64_t floor, config.count_or("floor_scale", 8192));
  SISKIN_TRY(const bool normed, config.flag("use_qk_norm", true));
  metadata.set(family.key("feed_forward_length"), dense);
  metadata.set(family.key("expert_shared_feed_forward_length"), width);
  metadata.set(family.key("interleave_moe_layer_step"), step);
  metadata.set(family.key("attention.sliding_window_pattern"), period);
  metadata.set(family.key("attention.chunk_size"), chunk);
  metadata.set(family.key("attention.temperature_scale"), growing ? as_f32(growth) : 0.0);
  metadata.set(family.key("attention.temperature_length"), floor);
  metadata.set(family.key("attention.use_qk_norm"), normed);
  return {};
}

constexpr HfFamily kText = {.model_type = "llama4_text",
                            .architecture = "Llama4ForCausalLM",
                            .gguf = "llama4",
                            .context_length = 131072,
                            .kv_heads = 8,
                            .head_dim = 128,
                            .rms_epsilon = 1e-5,
                            .rope_theta = 5e5,
                            .describe = describe,
                            .tensors = kTensors};

constexpr HfFamily beside_vision() {
  HfFamily family = kText;
  family.model_type = "llama4";
  family.architecture = "Llama4ForConditionalGeneration";
  family.names.prefix = "language_model.model.";
  family.names.head = "language_model.lm_head.weight";
  family.names.others = kVision;
  family.in_common_names = text_config;
  return family;
}

}  // namespace

const HfFamily kHfLlama4 = kText;
constinit const HfFamily kHfLlama4Conditional = beside_vision();

}  // namespace siskin
