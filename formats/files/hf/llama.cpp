// Llama, Mistral and Mixtral.
#include "formats/files/hf/family.h"
#include "formats/try.h"

namespace siskin {
namespace {

Status describe_dense(const HfConfigReader& config, const HfFamily& family, Metadata& metadata, HfLayers&) {
  return refuse_window(config, family, true, metadata);
}

Status describe_mixtral(const HfConfigReader& config, const HfFamily& family, Metadata& metadata, HfLayers&) {
  SISKIN_TRY_STATUS(refuse_window(config, family, true, metadata));
  return set_experts(config, family, {"num_local_experts", 8, "num_experts_per_tok", 2}, metadata);
}

}  // namespace

const HfFamily kHfLlama = {.model_type = "llama",
                           .architecture = "LlamaForCausalLM",
                           .gguf = "llama",
                           .context_length = 2048,
                           .describe = describe_dense};
const HfFamily kHfMistral = {.model_type = "mistral",
                             .architecture = "MistralForCausalLM",
                             .gguf = "llama",
                             .context_length = 131072,
                             .kv_heads = 8,
                             .describe = describe_dense};
const HfFamily kHfMixtral = {.model_type = "mixtral",
                             .architecture = "MixtralForCausalLM",
                             .gguf = "llama",
                             .context_length = 131072,
                             .kv_heads = 8,
                             .rms_epsilon = 1e-5,
                             .rope_theta = 1e6,
                             .describe = describe_mixtral};

}  // namespace siskin
