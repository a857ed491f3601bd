// gpt-oss.
#include "formats/files/error_text.h"
#include "formats/files/hf/family.h"
#include "formats/try.h"

namespace siskin {
namespace {

constexpr HfRename kTensors[] = {
    {"self_attn.q_proj.bias", "attn_q.bias"},
    {"self_attn.k_proj.bias", "attn_k.bias"},
    {"self_attn.v_proj.bias", "attn_v.bias"},
    {"self_attn.o_proj.bias", "attn_output.bias"},
    {"self_attn.sinks", "attn_sinks.weight"},
    {"post_attention_layernorm.weight", "post_attention_norm.weight"},
    {"mlp.router.weight", "ffn_gate_inp.weight"},
    {"mlp.router.bias", "ffn_gate_inp.bias"},
    {"mlp.experts.gate_up_proj", "ffn_gate_by_up_exps.weight", true},
    {"mlp.experts.gate_up_proj_blocks", "ffn_gate_by_up_exps.weight"},
    {"mlp.experts.gate_up_proj_bias", "ffn_gate_by_up_exps.bias"},
    {"mlp.experts.down_proj", "ffn_down_exps.weight", true},
    {"mlp.experts.down_proj_blocks", "ffn_down_exps.weight"},
    {"mlp.experts.down_proj_bias", "ffn_down_exps.bias"},
};

// Every other layer has a window, the first does.
Status set_windows(const HfConfigReader& config, const HfFamily& family, Metadata& metadata) {
  SISKIN_TRY(const uint64_t layers, config.count("num_hidden_layers"));
  SISKIN_TRY(const uint64_t window, config.count_or("sliding_window", 128));
  metadata.set(family.key("attention.sliding_window"), window);
  const nlohmann::json* types = config.find("layer_types");
  if (types == nullptr) return {};
  if (!types->is_array() || types->size() != layers) {
    return corrupt_file(config.file(), "'layer_types' is no list of " + std::to_string(layers) + " layers");
  }
  for (size_t layer = 0; layer < layers; ++layer) {
    if ((*types)[layer] == (layer % 2 == 0 ? "sliding_attention" : "full_attention")) continue;
    return unsupported_file(config.file(), "'layer_types' other than windows on every other layer are not supported");
  }
  return {};
}

Status describe(const HfConfigReader& config, const HfFamily& family, Metadata& metadata, HfLayers&) {
  SISKIN_TRY_STATUS(
      set_experts(config, family, {"num_local_experts", 128, "num_experts_per_tok", 4, "intermediate_size", 2880}, metadata));
  SISKIN_TRY_STATUS(set_windows(config, family, metadata));
  struct Constant {
    const char* key;
    double value;
  };
  for (const Constant& constant : {Constant{"swiglu_limit", 7.0}, Constant{"swiglu_alpha", 1.702}}) {
    SISKIN_TRY(const double value, config.positive_or(constant.key, constant.value));
    if (value != constant.value) return unsupported_file(config.file(), in_quotes(constant.key) + " other than gpt-oss' own");
  }
  if (config.find("rope_scaling") != nullptr || config.find("rope_parameters") != nullptr) return {};
  // The default of its configuration class.
  const nlohmann::json usual = {
      {"type", "yarn"}, {"factor", 32.0}, {"truncate", false}, {"original_max_position_embeddings", 4096}};
  std::vector<HfVector> none;
  return set_rope_scaling(config, HfConfigReader(usual, config.file()), family, metadata, none);
}

}  // namespace

const HfFamily kHfGptOss = {.model_type = "gpt_oss",
                            .architecture = "GptOssForCausalLM",
                            .gguf = "gpt-oss",
                            .context_length = 131072,
                            .kv_heads = 8,
                            .head_dim = 64,
                            .rms_epsilon = 1e-5,
                            .rope_theta = 150000,
                            .attention_bias = true,
                            .describe = describe,
                            .tensors = kTensors};

}  // namespace siskin
