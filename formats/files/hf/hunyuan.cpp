// Hunyuan-A13B.
#include "formats/files/error_text.h"
#include "formats/files/hf/family.h"
#include "formats/try.h"

namespace siskin {
namespace {

constexpr HfRename kTensors[] = {
    {"self_attn.query_layernorm.weight", "attn_q_norm.weight"},
    {"self_attn.key_layernorm.weight", "attn_k_norm.weight"},
    {"mlp.gate.wg.weight", "ffn_gate_inp.weight"},
    {"mlp.shared_mlp.gate_proj.weight", "ffn_gate_shexp.weight"},
    {"mlp.shared_mlp.up_proj.weight", "ffn_up_shexp.weight"},
    {"mlp.shared_mlp.down_proj.weight", "ffn_down_shexp.weight"},
};

// "moe_topk" is a number, or one for each layer; those have to be equal.
Result<uint64_t> experts_per_token(const HfConfigReader& config) {
  const nlohmann::json* list = config.find("moe_topk");
  if (list == nullptr || !list->is_array() || list->empty()) return config.count_or("moe_topk", 1);
  for (const nlohmann::json& of_layer : *list) {
    if (of_layer != list->front())
      return unsupported_file(config.file(), "'moe_topk' that differs between layers is not supported");
  }
  const nlohmann::json first = {{"moe_topk", list->front()}};
  return HfConfigReader(first, config.file()).count("moe_topk");
}

Status describe(const HfConfigReader& config, const HfFamily& family, Metadata& metadata, HfLayers&) {
  SISKIN_TRY(const uint64_t experts, config.count_or("num_experts", 1));
  SISKIN_TRY(const uint64_t used, experts_per_token(config));
  SISKIN_TRY(const uint64_t width, config.count("intermediate_size"));
  if (used > experts) return corrupt_file(config.file(), "'moe_topk' is more than 'num_experts'");
  metadata.set(family.key("expert_count"), experts);
  metadata.set(family.key("expert_used_count"), used);
  metadata.set(family.key("expert_feed_forward_length"), width);
  metadata.set(family.key("expert_shared_feed_forward_length"), width);
  metadata.set(family.key("expert_shared_count"), uint64_t{1});
  return {};
}

}  // namespace

const HfFamily kHfHunyuanMoe = {.model_type = "hunyuan_v1_moe",
                                .architecture = "HunYuanMoEV1ForCausalLM",
                                .gguf = "hunyuan-moe",
                                .context_length = 2048,
                                .rms_epsilon = 1e-5,
                                .stretches_base = true,
                                .describe = describe,
                                .tensors = kTensors};

}  // namespace siskin
