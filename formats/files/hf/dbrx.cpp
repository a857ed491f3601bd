// DBRX.
#include "formats/files/error_text.h"
#include "formats/files/hf/family.h"
#include "formats/try.h"

namespace siskin {
namespace {

using nlohmann::json;

constexpr HfRename kTensors[] = {
    {"norm_attn_norm.norm_1.weight", "attn_norm.weight"},
    {"norm_attn_norm.attn.Wqkv.weight", "attn_qkv.weight"},
    {"norm_attn_norm.attn.out_proj.weight", "attn_output.weight"},
    {"norm_attn_norm.norm_2.weight", "attn_output_norm.weight"},
    {"ffn.router.layer.weight", "ffn_gate_inp.weight"},
    {"ffn.experts.mlp.w1", "ffn_gate_exps.weight"},
    {"ffn.experts.mlp.v1", "ffn_up_exps.weight"},
    {"ffn.experts.mlp.w2", "ffn_down_exps.weight", true},
};

// Members that it calls otherwise, some of them within others; the rest stays.
json in_common_names(const json& config) {
  struct Member {
    const char* group;  // null: none
    const char* own;
    const char* common;
  };
  constexpr Member kMembers[] = {
      {nullptr, "d_model", "hidden_size"},
      {nullptr, "n_heads", "num_attention_heads"},
      {nullptr, "n_layers", "num_hidden_layers"},
      {nullptr, "max_seq_len", "max_position_embeddings"},
      {"attn_config", "kv_n_heads", "num_key_value_heads"},
      {"attn_config", "rope_theta", "rope_theta"},
      {"attn_config", "clip_qkv", "clip_qkv"},
      {"ffn_config", "ffn_hidden_size", "intermediate_size"},
      {"ffn_config", "moe_num_experts", "moe_num_experts"},
      {"ffn_config", "moe_top_k", "moe_top_k"},
      {"ffn_config", "ffn_act_fn", "ffn_act_fn"},
      {"ffn_config", "moe_normalize_expert_weights", "moe_normalize_expert_weights"},
  };
  json out = config;
  const auto member = [](const json& of, const char* key) {
    const auto found = of.find(key);
    return found == of.end() ? json() : *found;
  };
  for (const Member& m : kMembers) {
    const json group = m.group == nullptr ? config : member(config, m.group);
    if (group.is_object() && group.contains(m.own)) out[m.common] = group[m.own];
  }
  if (const json activation = member(out, "ffn_act_fn"); activation.is_object() && activation.contains("name")) {
    out["hidden_act"] = activation["name"];
  }
  // The norm by which weights are divided; null: none.
  const auto power = out.find("moe_normalize_expert_weights");
  out["norm_topk_prob"] = power == out.end() || !power->is_null();
  return out;
}

Status describe(const HfConfigReader& config, const HfFamily& family, Metadata& metadata, HfLayers&) {
  SISKIN_TRY_STATUS(set_experts(config, family, {"moe_num_experts", 4, "moe_top_k", 1}, metadata));
  SISKIN_TRY(const bool normalise, config.flag("norm_topk_prob"));
  SISKIN_TRY(const double power, config.positive_or("moe_normalize_expert_weights", 1));
  if (power != 1.0)
    return unsupported_file(config.file(), "'moe_normalize_expert_weights' other than 1 and null is not supported");
  metadata.set(family.key("expert_weights_norm"), normalise);
  metadata.set(family.key("attention.clamp_kqv"), 0.0);  // llama.cpp asks for the key, and takes 0 for none
  return set_qkv_clamp(config, family, metadata);
}

}  // namespace

const HfFamily kHfDbrx = {.model_type = "dbrx",
                          .architecture = "DbrxForCausalLM",
                          .gguf = "dbrx",
                          .context_length = 2048,
                          .kv_heads = 1,
                          .rms_epsilon = 1e-5,
                          .describe = describe,
                          .tensors = kTensors,
                          .names = {"transformer.", "blocks.", "wte.weight", "norm_f.weight"},
                          .epsilon_key = "attention.layer_norm_epsilon",
                          .in_common_names = in_common_names};

}  // namespace siskin
