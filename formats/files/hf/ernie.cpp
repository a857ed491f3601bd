// ERNIE 4.5.
#include "formats/files/error_text.h"
#include "formats/files/hf/family.h"
#include "formats/try.h"

namespace siskin {
namespace {

constexpr HfRename kTensors[] = {
    {"mlp.moe_statics.e_score_correction_bias", "exp_probs_b.bias"},
    {"mlp.shared_experts.gate_proj.weight", "ffn_gate_shexp.weight"},
    {"mlp.shared_experts.up_proj.weight", "ffn_up_shexp.weight"},
    {"mlp.shared_experts.down_proj.weight", "ffn_down_shexp.weight"},
};

Status describe(const HfConfigReader& config, const HfFamily& family, Metadata& metadata, HfLayers&) {
  SISKIN_TRY_STATUS(set_experts(config, family, {"moe_num_experts", 64, "moe_k", 6, "moe_intermediate_size", 1536}, metadata));
  SISKIN_TRY(const uint64_t width, config.count_or("moe_intermediate_size", 1536));
  SISKIN_TRY(const uint64_t shared, config.count_or_zero("moe_num_shared_experts", 2));
  SISKIN_TRY(const uint64_t first, config.count_or_zero("moe_layer_start_index", 1));
  SISKIN_TRY(const uint64_t step, config.count_or("moe_layer_interval", 1));
  SISKIN_TRY(const uint64_t layers, config.count("num_hidden_layers"));
  if (const nlohmann::json* end = config.find("moe_layer_end_index"); end != nullptr && *end != -1) {
    SISKIN_TRY(const uint64_t last, config.count_or_zero("moe_layer_end_index", layers - 1));
    if (last + 1 < layers)
      return unsupported_file(config.file(), "'moe_layer_end_index' before the last layer is not supported");
  }
  metadata.set(family.key("leading_dense_block_count"), first);
  metadata.set(family.key("interleave_moe_layer_step"), step);
  metadata.set(family.key("expert_shared_count"), shared);
  if (shared != 0) metadata.set(family.key("expert_shared_feed_forward_length"), shared * width);
  return {};
}

}  // namespace

const HfFamily kHfErnie45Moe = {.model_type = "ernie4_5_moe",
                                .architecture = "Ernie4_5_MoeForCausalLM",
                                .gguf = "ernie4_5-moe",
                                .context_length = 131072,
                                .kv_heads = 4,
                                .rms_epsilon = 1e-5,
                                .rope_theta = 5e5,
                                .tied = true,
                                .describe = describe,
                                .tensors = kTensors};

}  // namespace siskin
