// The registry of families, and what several of them share.
#include <cmath>

#include "formats/files/error_text.h"
#include "formats/files/hf/family.h"
#include "formats/try.h"

namespace siskin {

std::span<const HfFamily* const> hf_families() {
  static constexpr const HfFamily* kFamilies[] = {
      &kHfLlama,      &kHfMistral,   &kHfMixtral,          &kHfQwen2,     &kHfQwen2Moe,   &kHfQwen3Moe,
      &kHfGemma3,     &kHfOlmoe,     &kHfErnie45Moe,       &kHfGlm4Moe,   &kHfGraniteMoe, &kHfGraniteMoeShared,
      &kHfHunyuanMoe, &kHfMiniMaxM2, &kHfDeepseek,         &kHfDeepseek2, &kHfDeepseek3,  &kHfKimiK2,
      &kHfDbrx,       &kHfLlama4,    &kHfLlama4Conditional};
  return kFamilies;
}

Status set_experts(const HfConfigReader& config, const HfFamily& family, const HfExpertKeys& keys, Metadata& metadata) {
  // transformers 5 writes one name for what older files call by another.
  const char* count =
      config.find(keys.count) == nullptr && config.find("num_local_experts") != nullptr ? "num_local_experts" : keys.count;
  SISKIN_TRY(const uint64_t experts, config.count_or(count, keys.n));
  SISKIN_TRY(const uint64_t used, config.count_or(keys.used, keys.k));
  if (used > experts) {
    return corrupt_file(config.file(), std::to_string(used) + " experts per token, expected at most the " +
                                           std::to_string(experts) + " that there are");
  }
  metadata.set(family.key("expert_count"), experts);
  metadata.set(family.key("expert_used_count"), used);
  if (keys.width == nullptr) return {};
  SISKIN_TRY(const uint64_t width, config.count_or(keys.width, keys.d));
  metadata.set(family.key("expert_feed_forward_length"), width);
  return {};
}

Status refuse_window(const HfConfigReader& config, const HfFamily& family, bool used, const Metadata& metadata) {
  SISKIN_TRY(used, config.flag("use_sliding_window", used));
  if (!used || config.find("sliding_window") == nullptr) return {};
  SISKIN_TRY(const uint64_t positions, config.count("sliding_window"));
  SISKIN_TRY(const uint64_t context, metadata.u64(family.key("context_length")));
  if (positions >= context) return {};  // it hides nothing
  return unsupported_file(config.file(), "'sliding_window' of " + std::to_string(positions) + " positions is not supported");
}

namespace {

// GGUF has no key for a magnitude that is divided by another, but for that of both where they are the same.
Status set_yarn(const HfConfigReader& rope, const HfFamily& family, double factor, Metadata& metadata) {
  SISKIN_TRY(const uint64_t original, rope.count("original_max_position_embeddings"));
  SISKIN_TRY(const double fast, rope.positive_or("beta_fast", 32));
  SISKIN_TRY(const double slow, rope.positive_or("beta_slow", 1));
  SISKIN_TRY(const bool truncate, rope.flag("truncate", true));
  if (!(fast >= slow)) return corrupt_file(rope.file(), "'beta_fast' is below 'beta_slow'");
  metadata.set(family.key("rope.scaling.original_context_length"), original);
  metadata.set(family.key("rope.scaling.yarn_beta_fast"), as_f32(fast));
  metadata.set(family.key("rope.scaling.yarn_beta_slow"), as_f32(slow));
  if (!truncate) metadata.set(family.key("rope.scaling.yarn_truncate"), false);
  if (rope.find("attention_factor") != nullptr) {
    SISKIN_TRY(const double attention, rope.positive("attention_factor"));
    metadata.set(family.key("rope.scaling.yarn_attn_factor"), as_f32(attention));
  }
  if (rope.find("mscale") == nullptr || rope.find("mscale_all_dim") == nullptr) return {};
  SISKIN_TRY(const double mscale, rope.positive("mscale"));
  SISKIN_TRY(const double all, rope.positive("mscale_all_dim"));
  metadata.set(family.key("rope.scaling.yarn_log_multiplier"), as_f32(0.1 * all));  // a tenth of it, as llama.cpp's converter
  if (mscale == all || factor <= 1) return {};
  const auto magnitude = [factor](double multiplier) { return 0.1 * multiplier * std::log(factor) + 1; };
  metadata.set(family.key("rope.scaling.yarn_attn_factor"), as_f32(magnitude(mscale) / magnitude(all)));
  return {};
}

}  // namespace

Status set_rope_scaling(const HfConfigReader& rope, const HfFamily& family, Metadata& metadata) {
  SISKIN_TRY(const std::string legacy_type, rope.text_or("type", "default"));
  SISKIN_TRY(const std::string type, rope.text_or("rope_type", legacy_type));
  if (type == "default") return {};
  if (type != "linear" && type != "llama3" && type != "yarn") {
    return unsupported_file(rope.file(), "rope scaling " + in_quotes(type) + " is not supported; linear, llama3 and yarn are");
  }
  SISKIN_TRY(const double factor, rope.positive("factor"));
  metadata.set(family.key("rope.scaling.type"), type);
  metadata.set(family.key("rope.scaling.factor"), as_f32(factor));
  if (type == "linear") return {};
  if (type == "yarn") return set_yarn(rope, family, factor, metadata);
  SISKIN_TRY(const double low, rope.positive("low_freq_factor"));
  SISKIN_TRY(const double high, rope.positive("high_freq_factor"));
  SISKIN_TRY(const uint64_t original, rope.count("original_max_position_embeddings"));
  if (!(low < high)) return corrupt_file(rope.file(), "'low_freq_factor' is not below 'high_freq_factor'");
  metadata.set(family.key("rope.scaling.low_freq_factor"), as_f32(low));
  metadata.set(family.key("rope.scaling.high_freq_factor"), as_f32(high));
  metadata.set(family.key("rope.scaling.original_context_length"), original);
  return {};
}

Status set_qkv_clamp(const HfConfigReader& config, const HfFamily& family, Metadata& metadata) {
  if (config.find("clip_qkv") == nullptr) return {};
  SISKIN_TRY(const double most, config.positive("clip_qkv"));
  metadata.set(family.key("attention.clamp_kqv"), as_f32(most));
  return {};
}

}  // namespace siskin
