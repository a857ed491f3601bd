#include "engine/knobs/limits.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "formats/try.h"

namespace siskin {
namespace {

Error wrong(const std::string& what) { return {ErrorCode::invalid_argument, what}; }

Status check_drop(const ModelInfo& info, const std::vector<std::vector<uint32_t>>& drop) {
  if (drop.empty()) return {};
  if (drop.size() != info.n_layers) {
    return wrong("experts to drop: " + std::to_string(drop.size()) + " lists, the model has " + std::to_string(info.n_layers) +
                 " layers");
  }
  for (size_t layer = 0; layer < drop.size(); ++layer) {
    const std::set<uint32_t> distinct(drop[layer].begin(), drop[layer].end());
    if (distinct.empty() || !info.mixture_layers[layer]) continue;  // no token looks for experts there
    if (*distinct.rbegin() >= info.n_experts) {
      return wrong("experts to drop: layer " + std::to_string(layer) + " names expert " + std::to_string(*distinct.rbegin()) +
                   ", expected 0 to " + std::to_string(info.n_experts - 1));
    }
    if (distinct.size() == info.n_experts) return wrong("experts to drop: nothing is left of layer " + std::to_string(layer));
  }
  return {};
}

}  // namespace

Status check_knobs(const ModelInfo& info, const ExpertKnobs& knobs) {
  if (knobs.empty()) return {};
  if (info.n_experts == 0) return wrong(info.name + ": has no experts whose use could be set");
  if (knobs.top_k.size() > 1 && knobs.top_k.size() != info.n_layers) {
    return wrong("expert top-k: " + std::to_string(knobs.top_k.size()) + " numbers, expected one, or one for each of " +
                 std::to_string(info.n_layers) + " layers");
  }
  for (const uint32_t k : knobs.top_k) {
    if (k < 1 || k > info.n_experts) {
      return wrong("expert top-k " + std::to_string(k) + ": the model has " + std::to_string(info.n_experts) +
                   " experts per layer, expected 1 to that");
    }
  }
  if (knobs.min_probability && !(*knobs.min_probability >= 0 && *knobs.min_probability <= 1)) {
    return wrong("expert min-p " + std::to_string(*knobs.min_probability) + ": expected 0 to 1");
  }
  return check_drop(info, knobs.drop);
}

ExpertKnobs knobs_over(const ExpertKnobs& under, const ExpertKnobs& over) {
  ExpertKnobs knobs = over;
  if (knobs.top_k.empty()) knobs.top_k = under.top_k;
  if (!knobs.min_probability) knobs.min_probability = under.min_probability;
  if (knobs.drop.empty()) knobs.drop = under.drop;
  return knobs;
}

ExpertLimits::ExpertLimits(const ModelSpec& spec, const ExpertKnobs& knobs) : limits_(spec.n_layers) {
  if (!knobs.drop.empty()) {
    allowed_.assign(spec.n_layers * spec.n_experts, 1);
    for (size_t layer = 0; layer < spec.n_layers; ++layer) {
      if (!spec.is_moe(layer)) continue;
      for (const uint32_t expert : knobs.drop[layer]) allowed_[layer * spec.n_experts + expert] = 0;
    }
  }
  for (size_t layer = 0; layer < spec.n_layers; ++layer) {
    RouteLimits& limits = limits_[layer];
    limits.top_k = knobs.top_k.empty() ? spec.top_k : knobs.top_k[knobs.top_k.size() == 1 ? 0 : layer];
    limits.min_probability = knobs.min_probability.value_or(0.0f);
    limits.allowed = allowed_.empty() ? nullptr : &allowed_[layer * spec.n_experts];
    top_k_.push_back(limits.top_k);
  }
}

size_t ExpertLimits::largest_top_k() const { return top_k_.empty() ? 0 : *std::max_element(top_k_.begin(), top_k_.end()); }

void ExpertLimits::cap(size_t k) {
  for (size_t layer = 0; layer < limits_.size(); ++layer) limits_[layer].top_k = std::min(top_k_[layer], k);
}

}  // namespace siskin
