#include "engine/models/rope.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>

#include "engine/models/decoder.h"
#include "formats/blocks/codec.h"
#include "formats/try.h"

namespace siskin {
namespace {

// A key of a scaling: a number above 0, or what it is without one.
Result<double> positive_or(const ModelFile& file, const std::string& key, double fallback) {
  SISKIN_TRY(const double value, file.metadata().f64_or(key, fallback));
  if (!(value > 0) || value > double{std::numeric_limits<float>::max()})
    return bad_model(file, key + ": expected a positive number");
  return value;
}

// Llama 3's long-context scaling: low frequencies are divided by `factor`, high ones kept, those between blended.
// Source: Llama 3.1's reference code (apply_scaling in models/llama3/reference_impl/model.py).
std::vector<float> llama3_divisors(const ModelSpec& spec, double factor, double low, double high, double old_ctx) {
  std::vector<float> divisors(spec.n_rot / 2, 1.0f);
  for (size_t j = 0; j < divisors.size(); ++j) {
    const double exponent = 2.0 * static_cast<double>(j) / static_cast<double>(spec.n_rot);
    const double wavelength = 2 * std::numbers::pi * std::pow(spec.rope.base, exponent);
    if (wavelength < old_ctx / high) continue;
    if (wavelength > old_ctx / low) {
      divisors[j] = static_cast<float>(factor);
    } else {
      const double smooth = (old_ctx / wavelength - low) / (high - low);
      divisors[j] = static_cast<float>(1.0 / ((1 - smooth) / factor + smooth));
    }
  }
  return divisors;
}

Status parse_llama3(const ModelFile& file, const std::string& scaling, double factor, ModelSpec& spec) {
  SISKIN_TRY(const double low, file.metadata().f64(scaling + "low_freq_factor"));
  SISKIN_TRY(const double high, file.metadata().f64(scaling + "high_freq_factor"));
  SISKIN_TRY(const double old_ctx, file.metadata().f64(scaling + "original_context_length"));
  if (!(low > 0) || !(high > low) || !(old_ctx > 0)) return bad_model(file, scaling + ": bad llama3 factors");
  spec.rope.divisors = llama3_divisors(spec, factor, low, high, old_ctx);
  return {};
}

// YaRN: pairs that turn more than beta_fast times over the old context keep their frequency, those below beta_slow turns have
// it divided by `factor`, those between are blended along their number. Scores are sharpened by the magnitude of what is
// rotated. Source: YaRN (arXiv 2309.00071), sections 3.2 to 3.4; bounds, and a magnitude that the file divides by another, as
// in transformers (modeling_rope_utils.py).
std::vector<float> yarn_divisors(const ModelSpec& spec, double factor, double fast, double slow, double old_ctx, bool whole) {
  const double n_rot = static_cast<double>(spec.n_rot);
  const auto pair_of = [&](double turns) {
    return n_rot * std::log(old_ctx / (turns * 2 * std::numbers::pi)) / (2 * std::log(double{spec.rope.base}));
  };
  double low = pair_of(fast), high = pair_of(slow);
  if (whole) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, n_rot - 1);
  const double width = high == low ? 0.001 : high - low;
  std::vector<float> divisors(spec.n_rot / 2);
  for (size_t j = 0; j < divisors.size(); ++j) {
    const double slowed = std::clamp((static_cast<double>(j) - low) / width, 0.0, 1.0);
    divisors[j] = static_cast<float>(1.0 / (slowed / factor + (1 - slowed)));
  }
  return divisors;
}

Result<std::vector<float>> read_divisors(const ModelFile& file, const TensorView& factors, size_t n) {
  if (factors.shape != Shape{n} || !dtype_info(factors.type).built) {
    return bad_model(file, factors.name + ": shape " + shape_text(factors.shape) + ", expected " + shape_text({n}));
  }
  std::vector<float> divisors(n);
  decode_row(factors.type, factors.slices[0], divisors.data(), n);
  for (const float divisor : divisors) {
    if (!(divisor > 0)) return bad_model(file, factors.name + ": expected positive numbers");
  }
  return divisors;
}

// Factors that lie in tensors: Llama 3's of any context; LongRoPE's for contexts up to the original length and for longer ones.
// Source of the latter: LongRoPE (arXiv 2402.13753); the choice by length as in llama.cpp.
Status parse_tensors(const ModelFile& file, const std::string& scaling, ModelSpec& spec) {
  const size_t n = spec.n_rot / 2;
  if (const TensorView* factors = file.find("rope_freqs.weight"); factors != nullptr) {
    SISKIN_TRY(spec.rope.divisors, read_divisors(file, *factors, n));
  }
  const TensorView* at_length[] = {file.find("rope_factors_short.weight"), file.find("rope_factors_long.weight")};
  if (at_length[0] == nullptr && at_length[1] == nullptr) return {};
  if (at_length[0] == nullptr || at_length[1] == nullptr) {
    return bad_model(file, "rope_factors_long.weight and rope_factors_short.weight: expected both");
  }
  SISKIN_TRY(spec.rope.divisors, read_divisors(file, *at_length[0], n));
  SISKIN_TRY(spec.rope.long_divisors, read_divisors(file, *at_length[1], n));
  SISKIN_TRY(const double old_ctx, positive_or(file, scaling + "original_context_length", static_cast<double>(spec.ctx_train)));
  SISKIN_TRY(const double magnitude, positive_or(file, scaling + "attn_factor", 1));
  SISKIN_TRY(const double long_magnitude, positive_or(file, scaling + "attn_factor_long", magnitude));
  spec.rope.long_from = static_cast<size_t>(std::min(old_ctx, 1e9)) + 1;
  spec.rope.magnitude = static_cast<float>(magnitude);
  spec.rope.long_magnitude = static_cast<float>(long_magnitude);
  return {};
}

Status parse_yarn(const ModelFile& file, const std::string& scaling, double factor, ModelSpec& spec) {
  const Metadata& meta = file.metadata();
  SISKIN_TRY(const double fast, positive_or(file, scaling + "yarn_beta_fast", 32));
  SISKIN_TRY(const double slow, positive_or(file, scaling + "yarn_beta_slow", 1));
  SISKIN_TRY(const double old_ctx, positive_or(file, scaling + "original_context_length", static_cast<double>(spec.ctx_train)));
  // gpt-oss was trained with bounds between pairs, which no key of GGUF says.
  SISKIN_TRY(const bool whole, meta.boolean_or(scaling + "yarn_truncate", spec.architecture != "gpt-oss"));
  if (!(fast >= slow) || !(spec.rope.base > 1)) return bad_model(file, scaling + ": bad yarn factors");
  spec.rope.divisors = yarn_divisors(spec, factor, fast, slow, old_ctx, whole);
  // Files with a multiplier sharpen the scores of latent attention instead.
  const double usual = meta.has(scaling + "yarn_log_multiplier") ? 1.0 : yarn_magnitude(factor, 1.0);
  SISKIN_TRY(const double magnitude, positive_or(file, scaling + "yarn_attn_factor", usual));
  spec.rope.magnitude = static_cast<float>(magnitude);
  return {};
}

}  // namespace

double yarn_magnitude(double factor, double multiplier) {
  return factor <= 1 ? 1.0 : 0.1 * multiplier * std::log(factor) + 1.0;
}

Status parse_rope(const ModelFile& file, ModelSpec& spec) {
  const Metadata& meta = file.metadata();
  const std::string rope = spec.architecture + ".rope.", scaling = rope + "scaling.";
  SISKIN_TRY(const double base, positive_or(file, rope + "freq_base", 10000.0));
  SISKIN_TRY(const uint64_t n_rot, meta.u64_or(rope + "dimension_count", spec.head_dim));
  SISKIN_TRY(const std::string kind, meta.string_or(scaling + "type", "none"));
  if (n_rot == 0 || n_rot % 2 != 0 || n_rot > spec.head_dim) {
    return bad_model(file, rope + "dimension_count: " + std::to_string(n_rot) + ", expected an even number up to " +
                               std::to_string(spec.head_dim));
  }
  spec.rope.base = static_cast<float>(base);
  spec.n_rot = n_rot;
  spec.rope.interleaved = rope_pairing(file) == RopePairing::interleaved;
  if (kind == "none") return parse_tensors(file, scaling, spec);
  SISKIN_TRY(const double factor, positive_or(file, scaling + "factor", 1.0));
  if (kind == "linear") {
    spec.rope.linear_factor = static_cast<float>(factor);
  } else if (kind == "llama3") {
    SISKIN_TRY_STATUS(parse_llama3(file, scaling, factor, spec));
  } else if (kind == "yarn") {
    SISKIN_TRY_STATUS(parse_yarn(file, scaling, factor, spec));
  } else if (kind != "longrope") {  // its factors are tensors
    return Error{ErrorCode::unsupported, file.path().filename().string() + ": rope scaling '" + kind + "' is not built"};
  }
  return parse_tensors(file, scaling, spec);
}

}  // namespace siskin
