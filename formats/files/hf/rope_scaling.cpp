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
  metadata.set(family.key("rope.scaling.yarn_truncate"), truncate);
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

// What pairs are sharpened by in contexts of up to the original length, and in longer ones.
struct Magnitudes {
  double at_short, at_long;
};

Result<Magnitudes> longrope_magnitudes(const HfConfigReader& rope, const HfFamily& family, uint64_t context,
                                       uint64_t original) {
  if (family.has_mscales) {
    SISKIN_TRY(const double at_short, rope.positive("short_mscale"));
    SISKIN_TRY(const double at_long, rope.positive("long_mscale"));
    return Magnitudes{at_short, at_long};
  }
  const double stretched = static_cast<double>(context) / static_cast<double>(original);
  SISKIN_TRY(const double factor, rope.positive_or("factor", stretched));
  const bool is_longer = factor > 1 && original > 1;
  const double usual = is_longer ? std::sqrt(1 + std::log(factor) / std::log(static_cast<double>(original))) : 1.0;
  SISKIN_TRY(const double magnitude, rope.positive_or("attention_factor", usual));
  return Magnitudes{magnitude, magnitude};
}

// Source: LongRoPE (arXiv 2402.13753); magnitudes and the place of the original length as in transformers
// (modeling_rope_utils.py). llama.cpp would divide positions by a "rope.scaling.factor": it is not written.
Status set_longrope(const HfConfigReader& config, const HfConfigReader& rope, const HfFamily& family, Metadata& metadata,
                    std::vector<HfVector>& vectors) {
  SISKIN_TRY(const uint64_t context, metadata.u64(family.key("context_length")));
  SISKIN_TRY(uint64_t original, rope.count_or("original_max_position_embeddings", context));
  SISKIN_TRY(original, config.count_or("original_max_position_embeddings", original));
  SISKIN_TRY(const Magnitudes magnitudes, longrope_magnitudes(rope, family, context, original));
  SISKIN_TRY(std::vector<float> at_long, rope.positives("long_factor"));
  SISKIN_TRY(std::vector<float> at_short, rope.positives("short_factor"));
  metadata.set(family.key("rope.scaling.type"), std::string("longrope"));
  metadata.set(family.key("rope.scaling.original_context_length"), original);
  metadata.set(family.key("rope.scaling.attn_factor"), as_f32(magnitudes.at_short));
  if (magnitudes.at_long != magnitudes.at_short) {
    metadata.set(family.key("rope.scaling.attn_factor_long"), as_f32(magnitudes.at_long));
  }
  vectors.clear();
  vectors.push_back({"rope_factors_long.weight", std::move(at_long)});
  vectors.push_back({"rope_factors_short.weight", std::move(at_short)});
  return {};
}

}  // namespace

Status set_rope_scaling(const HfConfigReader& config, const HfConfigReader& rope, const HfFamily& family, Metadata& metadata,
                        std::vector<HfVector>& vectors) {
  SISKIN_TRY(const std::string legacy_type, rope.text_or("type", "default"));
  SISKIN_TRY(const std::string type, rope.text_or("rope_type", legacy_type));
  if (type == "default") return {};
  if (type == "longrope" || type == "su") return set_longrope(config, rope, family, metadata, vectors);
  if (type != "linear" && type != "llama3" && type != "yarn") {
    return unsupported_file(rope.file(),
                            "rope scaling " + in_quotes(type) + " is not supported; linear, llama3, yarn and longrope are");
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
