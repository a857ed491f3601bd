// OLMoE.
#include "formats/files/hf/family.h"
#include "formats/try.h"

namespace siskin {
namespace {

constexpr HfRename kTensors[] = {
    {"self_attn.q_norm.weight", "attn_q_norm.weight"},
    {"self_attn.k_norm.weight", "attn_k_norm.weight"},
};

Status describe(const HfConfigReader& config, const HfFamily& family, Metadata& metadata, HfLayers&) {
  SISKIN_TRY_STATUS(set_experts(config, family, {"num_experts", 64, "num_experts_per_tok", 8}, metadata));
  SISKIN_TRY(const bool normalise, config.flag("norm_topk_prob"));
  metadata.set(family.key("expert_weights_norm"), normalise);
  return set_qkv_clamp(config, family, metadata);
}

}  // namespace

const HfFamily kHfOlmoe = {.model_type = "olmoe",
                           .architecture = "OlmoeForCausalLM",
                           .gguf = "olmoe",
                           .context_length = 4096,
                           .rms_epsilon = 1e-5,
                           .describe = describe,
                           .tensors = kTensors};

}  // namespace siskin
