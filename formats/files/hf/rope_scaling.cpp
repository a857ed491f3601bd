// How contexts longer than those of training stretch the frequencies: "rope_scaling" and "rope_parameters" of config.json.
#include <cmath>

#include "formats/files/error_text.h"
#include "formats/files/hf/family.h"
#include "formats/try.h"

namespace siskin {
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

}  // namespace siskin
