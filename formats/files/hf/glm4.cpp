// GLM 4.5 and 4.6.
#include "formats/files/hf/family.h"
#include "formats/try.h"

namespace siskin {
namespace {

constexpr HfRename kTensors[] = {
    {"self_attn.q_proj.bias", "attn_q.bias"},
    {"self_attn.k_proj.bias", "attn_k.bias"},
    {"self_attn.v_proj.bias", "attn_v.bias"},
    {"self_attn.q_norm.weight", "attn_q_norm.weight"},
    {"self_attn.k_norm.weight", "attn_k_norm.weight"},
    {"post_attention_layernorm.weight", "post_attention_norm.weight"},
    {"mlp.gate.e_score_correction_bias", "exp_probs_b.bias"},
    {"mlp.shared_experts.gate_proj.weight", "ffn_gate_shexp.weight"},
    {"mlp.shared_experts.up_proj.weight", "ffn_up_shexp.weight"},
    {"mlp.shared_experts.down_proj.weight", "ffn_down_shexp.weight"},
};

Status describe(const HfConfigReader& config, const HfFamily& family, Metadata& metadata, HfLayers& layers) {
  SISKIN_TRY_STATUS(set_experts(config, family,
                                {"n_routed_experts", 128, "num_experts_per_tok", 8, "moe_intermediate_size", 1408}, metadata));
  SISKIN_TRY(const uint64_t shared, config.count_or_zero("n_shared_experts", 1));
  SISKIN_TRY(const uint64_t dense, config.count_or_zero("first_k_dense_replace", 1));
  SISKIN_TRY(const uint64_t groups, config.count_or("n_group", 1));
  SISKIN_TRY(const uint64_t groups_used, config.count_or("topk_group", 1));
  SISKIN_TRY(const double scale, config.positive_or("routed_scaling_factor", 1.0));
  SISKIN_TRY(const bool normalise, config.flag("norm_topk_prob", true));
  SISKIN_TRY(layers.n_idle, config.count_or_zero("num_nextn_predict_layers", 1));
  metadata.set(family.key("expert_shared_count"), shared);
  metadata.set(family.key("leading_dense_block_count"), dense);
  metadata.set(family.key("expert_gating_func"), uint64_t{2});  // sigmoid
  metadata.set(family.key("expert_weights_scale"), as_f32(scale));
  metadata.set(family.key("expert_weights_norm"), normalise);
  if (groups == 1) return {};
  metadata.set(family.key("expert_group_count"), groups);
  metadata.set(family.key("expert_group_used_count"), groups_used);
  return {};
}

}  // namespace

const HfFamily kHfGlm4Moe = {.model_type = "glm4_moe",
                             .architecture = "Glm4MoeForCausalLM",
                             .gguf = "glm4moe",
                             .context_length = 131072,
                             .kv_heads = 8,
                             .rms_epsilon = 1e-5,
                             .rotated = 0.5,
                             .attention_bias = true,
                             .describe = describe,
                             .tensors = kTensors};

}  // namespace siskin
