// Qwen 2 and 2.5, and the mixtures of Qwen 1.5, 2 and 3.
#include "formats/files/error_text.h"
#include "formats/files/hf/family.h"
#include "formats/try.h"

namespace siskin {
namespace {

constexpr HfRename kQwen2Tensors[] = {
    {"self_attn.q_proj.bias", "attn_q.bias"},
    {"self_attn.k_proj.bias", "attn_k.bias"},
    {"self_attn.v_proj.bias", "attn_v.bias"},
    {"mlp.shared_expert.gate_proj.weight", "ffn_gate_shexp.weight"},
    {"mlp.shared_expert.up_proj.weight", "ffn_up_shexp.weight"},
    {"mlp.shared_expert.down_proj.weight", "ffn_down_shexp.weight"},
    {"mlp.shared_expert_gate.weight", "ffn_gate_inp_shexp.weight"},
};

constexpr HfRename kQwen3Tensors[] = {
    {"self_attn.q_norm.weight", "attn_q_norm.weight"},
    {"self_attn.k_norm.weight", "attn_k_norm.weight"},
};

// Which layers are dense: those that "decoder_sparse_step" does not divide, counted from 1, and "mlp_only_layers", the first
// few.
Status set_dense_layers(const HfConfigReader& config, const HfFamily& family, Metadata& metadata) {
  SISKIN_TRY(const uint64_t step, config.count_or("decoder_sparse_step", 1));
  if (step != 1) metadata.set(family.key("interleave_moe_layer_step"), step);
  const nlohmann::json* dense = config.find("mlp_only_layers");
  if (dense == nullptr || (dense->is_array() && dense->empty())) return {};
  for (size_t i = 0; i < dense->size(); ++i) {
    if (dense->is_array() && (*dense)[i] == i) continue;
    return unsupported_file(config.file(),
                            "'mlp_only_layers' is " + in_quotes(dense->dump()) + "; only the first layers may be dense");
  }
  metadata.set(family.key("leading_dense_block_count"), uint64_t{dense->size()});
  return {};
}

// A window is named that another switch turns on.
Status describe_qwen2(const HfConfigReader& config, const HfFamily& family, Metadata& metadata, HfLayers&) {
  return refuse_window(config, family, false, metadata);
}

Status describe_mixture(const HfConfigReader& config, const HfFamily& family, const HfExpertKeys& keys, Metadata& metadata) {
  SISKIN_TRY_STATUS(refuse_window(config, family, false, metadata));
  SISKIN_TRY_STATUS(set_experts(config, family, keys, metadata));
  SISKIN_TRY(const bool normalise, config.flag("norm_topk_prob"));
  metadata.set(family.key("expert_weights_norm"), normalise);
  return set_dense_layers(config, family, metadata);
}

Status describe_qwen2_moe(const HfConfigReader& config, const HfFamily& family, Metadata& metadata, HfLayers&) {
  SISKIN_TRY(const bool biased, config.flag("qkv_bias", true));
  if (!biased) return unsupported_file(config.file(), "'qkv_bias' is false; this architecture has biases on q, k and v");
  SISKIN_TRY(const uint64_t shared, config.count_or("shared_expert_intermediate_size", 5632));
  metadata.set(family.key("expert_shared_feed_forward_length"), shared);
  return describe_mixture(config, family, {"num_experts", 60, "num_experts_per_tok", 4, "moe_intermediate_size", 1408},
                          metadata);
}

Status describe_qwen3_moe(const HfConfigReader& config, const HfFamily& family, Metadata& metadata, HfLayers&) {
  return describe_mixture(config, family, {"num_experts", 128, "num_experts_per_tok", 8, "moe_intermediate_size", 768},
                          metadata);
}

}  // namespace

const HfFamily kHfQwen2 = {.model_type = "qwen2",
                           .architecture = "Qwen2ForCausalLM",
                           .gguf = "qwen2",
                           .context_length = 32768,
                           .kv_heads = 32,
                           .describe = describe_qwen2,
                           .tensors = kQwen2Tensors};
const HfFamily kHfQwen2Moe = {.model_type = "qwen2_moe",
                              .architecture = "Qwen2MoeForCausalLM",
                              .gguf = "qwen2moe",
                              .context_length = 32768,
                              .kv_heads = 16,
                              .describe = describe_qwen2_moe,
                              .tensors = kQwen2Tensors};
const HfFamily kHfQwen3Moe = {.model_type = "qwen3_moe",
                              .architecture = "Qwen3MoeForCausalLM",
                              .gguf = "qwen3moe",
                              .context_length = 32768,
                              .kv_heads = 4,
                              .describe = describe_qwen3_moe,
                              .tensors = kQwen3Tensors};

}  // namespace siskin
