// MiniMax-M2.
#include "formats/files/hf/family.h"
#include "formats/try.h"

namespace siskin {
namespace {

constexpr HfRename kTensors[] = {
    {"self_attn.q_norm.weight", "attn_q_norm.weight"},
    {"self_attn.k_norm.weight", "attn_k_norm.weight"},
    {"block_sparse_moe.e_score_correction_bias", "exp_probs_b.bias"},
};

Status describe(const HfConfigReader& config, const HfFamily& family, Metadata& metadata, HfLayers&) {
  SISKIN_TRY_STATUS(
      set_experts(config, family, {"num_local_experts", 256, "num_experts_per_tok", 8, "intermediate_size", 1536}, metadata));
  metadata.set(family.key("expert_gating_func"), uint64_t{2});  // sigmoid
  if (config.find("rotary_dim") == nullptr) return {};          // older files say so in elements
  SISKIN_TRY(const uint64_t n_rot, config.count("rotary_dim"));
  metadata.set(family.key("rope.dimension_count"), n_rot);
  return {};
}

}  // namespace

const HfFamily kHfMiniMaxM2 = {.model_type = "minimax_m2",
                               .architecture = "MiniMaxM2ForCausalLM",
                               .gguf = "minimax-m2",
                               .context_length = 196608,
                               .kv_heads = 8,
                               .head_dim = 128,
                               .rope_theta = 5e6,
                               .rotated = 1.0,
                               .describe = describe,
                               .tensors = kTensors};

}  // namespace siskin
