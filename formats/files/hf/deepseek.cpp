// DeepSeek: the first mixture, V2 and V3 with latent attention, and Kimi K2, which is a V3.
#include "formats/files/error_text.h"
#include "formats/files/hf/family.h"
#include "formats/try.h"

namespace siskin {
namespace {

constexpr HfRename kTensors[] = {
    {"self_attn.q_a_proj.weight", "attn_q_a.weight"},
    {"self_attn.q_a_layernorm.weight", "attn_q_a_norm.weight"},
    {"self_attn.q_b_proj.weight", "attn_q_b.weight"},
    {"self_attn.kv_a_proj_with_mqa.weight", "attn_kv_a_mqa.weight"},
    {"self_attn.kv_a_layernorm.weight", "attn_kv_a_norm.weight"},
    {"self_attn.kv_b_proj.weight", "attn_kv_b.weight"},
    {"mlp.gate.e_score_correction_bias", "exp_probs_b.bias"},
    {"mlp.shared_experts.gate_proj.weight", "ffn_gate_shexp.weight"},
    {"mlp.shared_experts.up_proj.weight", "ffn_up_shexp.weight"},
    {"mlp.shared_experts.down_proj.weight", "ffn_down_shexp.weight"},
};

// The defaults of one configuration class.
struct Mixture {
  HfExpertKeys keys;
  uint64_t shared;
  uint64_t dense;
  double scale;
  bool normalise;
  const char* score;  // the only one that is built
};

Status describe_experts(const HfConfigReader& config, const HfFamily& family, const Mixture& mixture, Metadata& metadata) {
  SISKIN_TRY_STATUS(set_experts(config, family, mixture.keys, metadata));
  SISKIN_TRY(const uint64_t step, config.count_or("moe_layer_freq", 1));
  if (step != 1) return unsupported_file(config.file(), "'moe_layer_freq' other than 1 is not supported");
  SISKIN_TRY(const std::string score, config.text_or("scoring_func", mixture.score));
  if (score != mixture.score) {
    return unsupported_file(config.file(), "'scoring_func' is " + in_quotes(score) + ", supported is " + mixture.score);
  }
  SISKIN_TRY(const uint64_t shared, config.count_or_zero("n_shared_experts", mixture.shared));
  SISKIN_TRY(const uint64_t dense, config.count_or_zero("first_k_dense_replace", mixture.dense));
  SISKIN_TRY(const double scale, config.positive_or("routed_scaling_factor", mixture.scale));
  SISKIN_TRY(const bool normalise, config.flag("norm_topk_prob", mixture.normalise));
  metadata.set(family.key("expert_shared_count"), shared);
  metadata.set(family.key("leading_dense_block_count"), dense);
  metadata.set(family.key("expert_weights_scale"), as_f32(scale));
  metadata.set(family.key("expert_weights_norm"), normalise);
  metadata.set(family.key("expert_gating_func"), uint64_t{score == "sigmoid" ? 2u : 1u});
  return {};
}

Status describe_latents(const HfConfigReader& config, const HfFamily& family, Metadata& metadata) {
  SISKIN_TRY(const bool interleaved, config.flag("rope_interleave", true));
  if (!interleaved) return unsupported_file(config.file(), "'rope_interleave' is false; interleaved pairs are supported");
  SISKIN_TRY(const uint64_t rank, config.count_or("kv_lora_rank", 512));
  SISKIN_TRY(const uint64_t rotated, config.count_or("qk_rope_head_dim", 64));
  SISKIN_TRY(const uint64_t unrotated, config.count_or("qk_nope_head_dim", 128));
  SISKIN_TRY(const uint64_t values, config.count_or("v_head_dim", 128));
  metadata.set(family.key("attention.kv_lora_rank"), rank);
  // null: the queries are not factored, which llama.cpp wants to be told but of the models that it knows by their layers.
  metadata.set(family.key("attention.q_lora_rank"), uint64_t{0});
  if (config.find("q_lora_rank") != nullptr) {
    SISKIN_TRY(const uint64_t q_rank, config.count("q_lora_rank"));
    metadata.set(family.key("attention.q_lora_rank"), q_rank);
  }
  metadata.set(family.key("attention.head_count_kv"), uint64_t{1});
  metadata.set(family.key("attention.key_length"), rank + rotated);
  metadata.set(family.key("attention.value_length"), rank);
  metadata.set(family.key("attention.key_length_mla"), unrotated + rotated);
  metadata.set(family.key("attention.value_length_mla"), values);
  metadata.set(family.key("rope.dimension_count"), rotated);
  return {};
}

Status describe_groups(const HfConfigReader& config, const HfFamily& family, uint64_t groups, uint64_t used,
                       Metadata& metadata) {
  SISKIN_TRY(groups, config.count_or("n_group", groups));
  SISKIN_TRY(used, config.count_or("topk_group", used));
  metadata.set(family.key("expert_group_count"), groups);
  metadata.set(family.key("expert_group_used_count"), used);
  return {};
}

Status describe_v1(const HfConfigReader& config, const HfFamily& family, Metadata& metadata, HfLayers&) {
  const Mixture mixture{
      {"n_routed_experts", 64, "num_experts_per_tok", 6, "moe_intermediate_size", 1407}, 2, 0, 1, false, "softmax"};
  return describe_experts(config, family, mixture, metadata);
}

Status describe_v2(const HfConfigReader& config, const HfFamily& family, Metadata& metadata, HfLayers&) {
  const Mixture mixture{
      {"n_routed_experts", 64, "num_experts_per_tok", 6, "moe_intermediate_size", 1407}, 2, 0, 1, false, "softmax"};
  SISKIN_TRY_STATUS(describe_experts(config, family, mixture, metadata));
  SISKIN_TRY_STATUS(describe_latents(config, family, metadata));
  SISKIN_TRY(const std::string choice, config.text_or("topk_method", "greedy"));
  if (choice == "group_limited_greedy") return describe_groups(config, family, 1, 1, metadata);
  if (choice == "greedy") return {};
  return unsupported_file(config.file(),
                          "'topk_method' is " + in_quotes(choice) + ", supported are greedy and group_limited_greedy");
}

Status describe_v3(const HfConfigReader& config, const HfFamily& family, Metadata& metadata, HfLayers& layers) {
  const Mixture mixture{
      {"n_routed_experts", 256, "num_experts_per_tok", 8, "moe_intermediate_size", 2048}, 1, 3, 2.5, true, "sigmoid"};
  SISKIN_TRY(const std::string choice, config.text_or("topk_method", "noaux_tc"));
  if (choice != "noaux_tc") {
    return unsupported_file(config.file(), "'topk_method' is " + in_quotes(choice) + ", supported is noaux_tc");
  }
  SISKIN_TRY(layers.n_idle, config.count_or_zero("num_nextn_predict_layers", 1));
  SISKIN_TRY_STATUS(describe_experts(config, family, mixture, metadata));
  SISKIN_TRY_STATUS(describe_latents(config, family, metadata));
  return describe_groups(config, family, 8, 4, metadata);
}

}  // namespace

const HfFamily kHfDeepseek = {.model_type = "deepseek",
                              .architecture = "DeepseekForCausalLM",
                              .gguf = "deepseek",
                              .context_length = 2048,
                              .describe = describe_v1,
                              .tensors = kTensors};
const HfFamily kHfDeepseek2 = {.model_type = "deepseek_v2",
                               .architecture = "DeepseekV2ForCausalLM",
                               .gguf = "deepseek2",
                               .context_length = 2048,
                               .describe = describe_v2,
                               .tensors = kTensors};
const HfFamily kHfDeepseek3 = {.model_type = "deepseek_v3",
                               .architecture = "DeepseekV3ForCausalLM",
                               .gguf = "deepseek2",
                               .context_length = 4096,
                               .describe = describe_v3,
                               .tensors = kTensors};
const HfFamily kHfKimiK2 = {.model_type = "kimi_k2",
                            .architecture = "DeepseekV3ForCausalLM",
                            .gguf = "deepseek2",
                            .context_length = 4096,
                            .describe = describe_v3,
                            .tensors = kTensors};

}  // namespace siskin
