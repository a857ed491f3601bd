// Phi-3.5-MoE.
#include "formats/files/error_text.h"
#include "formats/files/hf/family.h"
#include "formats/try.h"

namespace siskin {
namespace {

constexpr HfRename kTensors[] = {
    {"input_layernorm.bias", "attn_norm.bias"},   {"post_attention_layernorm.bias", "ffn_norm.bias"},
    {"self_attn.q_proj.bias", "attn_q.bias"},     {"self_attn.k_proj.bias", "attn_k.bias"},
    {"self_attn.v_proj.bias", "attn_v.bias"},     {"self_attn.o_proj.bias", "attn_output.bias"},
    {"mlp.router.weight", "ffn_gate_inp.weight"},
};

Status describe(const HfConfigReader& config, const HfFamily& family, Metadata& metadata, HfLayers&) {
  SISKIN_TRY_STATUS(refuse_window(config, family, true, metadata));
  SISKIN_TRY_STATUS(set_experts(config, family, {"num_local_experts", 16, "num_experts_per_tok", 2}, metadata));
  SISKIN_TRY(const uint64_t used, metadata.u64(family.key("expert_used_count")));
  if (used != 2) return unsupported_file(config.file(), "'num_experts_per_tok' other than 2 is not supported");
  SISKIN_TRY(const double jitter, config.positive_or("router_jitter_noise", 0.01));
  metadata.set(family.key("expert_router_jitter"), as_f32(jitter));
  SISKIN_TRY(const std::string scaling, metadata.string_or(family.key("rope.scaling.type"), "longrope"));
  if (scaling == "longrope") return {};
  // Its class takes magnitudes from the configuration whatever the scaling.
  return unsupported_file(config.file(), "rope scaling " + in_quotes(scaling) + " is not supported; longrope is");
}

constexpr HfFamily family_of(const char* architecture) {
  return {.model_type = "phimoe",
          .architecture = architecture,
          .gguf = "phimoe",
          .context_length = 131072,
          .kv_heads = 8,
          .rms_epsilon = 1e-5,
          .rope_theta = 1e6,
          .has_mscales = true,
          .attention_bias = true,
          .describe = describe,
          .tensors = kTensors};
}

}  // namespace

const HfFamily kHfPhimoe = family_of("PhimoeForCausalLM");
const HfFamily kHfPhiMoE = family_of("PhiMoEForCausalLM");  // as it was published, before transformers had it

}  // namespace siskin
