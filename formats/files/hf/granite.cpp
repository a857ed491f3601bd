// Granite 3, its mixtures.
#include "formats/files/hf/family.h"
#include "formats/try.h"

namespace siskin {
namespace {

constexpr HfRename kTensors[] = {
    {"block_sparse_moe.router.layer.weight", "ffn_gate_inp.weight"},
    {"block_sparse_moe.input_linear.weight", "ffn_gate_up_exps.weight"},
    {"block_sparse_moe.output_linear.weight", "ffn_down_exps.weight"},
    {"shared_mlp.input_linear.weight", "ffn_gate_up_shexp.weight"},
    {"shared_mlp.output_linear.weight", "ffn_down_shexp.weight"},
};

Status describe(const HfConfigReader& config, const HfFamily& family, Metadata& metadata, HfLayers&) {
  SISKIN_TRY_STATUS(set_experts(config, family, {"num_local_experts", 8, "num_experts_per_tok", 2}, metadata));
  constexpr HfRename kFactors[] = {{"embedding_multiplier", "embedding_scale"},
                                   {"residual_multiplier", "residual_scale"},
                                   {"attention_multiplier", "attention.scale"},
                                   {"logits_scaling", "logit_scale"}};
  for (const HfRename& factor : kFactors) {
    SISKIN_TRY(const double value, config.positive_or(factor.hf, 1.0));
    metadata.set(family.key(factor.gguf), as_f32(value));
  }
  SISKIN_TRY(const uint64_t shared, config.count_or_zero("shared_intermediate_size", 0));
  if (shared != 0) metadata.set(family.key("expert_shared_feed_forward_length"), shared);
  return {};
}

}  // namespace

const HfFamily kHfGraniteMoe = {.model_type = "granitemoe",
                                .architecture = "GraniteMoeForCausalLM",
                                .gguf = "granitemoe",
                                .context_length = 2048,
                                .describe = describe,
                                .tensors = kTensors};
const HfFamily kHfGraniteMoeShared = {.model_type = "granitemoeshared",
                                      .architecture = "GraniteMoeSharedForCausalLM",
                                      .gguf = "granitemoe",
                                      .context_length = 2048,
                                      .describe = describe,
                                      .tensors = kTensors};

}  // namespace siskin
