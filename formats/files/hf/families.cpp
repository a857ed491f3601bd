// The registry of families, and what several of them share.
#include "formats/files/error_text.h"
#include "formats/files/hf/family.h"
#include "formats/try.h"

namespace siskin {

std::span<const HfFamily* const> hf_families() {
  static constexpr const HfFamily* kFamilies[] = {
      &kHfLlama,      &kHfMistral,   &kHfMixtral,           &kHfQwen2,     &kHfQwen2Moe,   &kHfQwen3Moe,
      &kHfGemma3,     &kHfOlmoe,     &kHfErnie45Moe,        &kHfGlm4Moe,   &kHfGraniteMoe, &kHfGraniteMoeShared,
      &kHfHunyuanMoe, &kHfMiniMaxM2, &kHfDeepseek,          &kHfDeepseek2, &kHfDeepseek3,  &kHfKimiK2,
      &kHfDbrx,       &kHfLlama4,    &kHfLlama4Conditional, &kHfPhimoe,    &kHfPhiMoE,     &kHfGptOss};
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

Status set_qkv_clamp(const HfConfigReader& config, const HfFamily& family, Metadata& metadata) {
  if (config.find("clip_qkv") == nullptr) return {};
  SISKIN_TRY(const double most, config.positive("clip_qkv"));
  metadata.set(family.key("attention.clamp_kqv"), as_f32(most));
  return {};
}

}  // namespace siskin
