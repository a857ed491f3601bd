// ExpertLimits: a request's knobs as the router takes them, layer by layer.
#pragma once

#include <siskin/expert_knobs.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/routing.h"
#include "engine/spec.h"

namespace siskin {

// The members of `over` where it has some, else those of `under`.
ExpertKnobs knobs_over(const ExpertKnobs& under, const ExpertKnobs& over);

class ExpertLimits {
 public:
  // REQUIRES: knobs that passed check_knobs, or are empty.
  ExpertLimits(const ModelSpec& spec, const ExpertKnobs& knobs);
  ExpertLimits(ExpertLimits&&) = default;
  ExpertLimits& operator=(ExpertLimits&&) = default;

  const RouteLimits* layers() const { return limits_.data(); }  // [n_layers]
  size_t largest_top_k() const;
  // At most k per token from now on, in every layer.
  void cap(size_t k);

 private:
  std::vector<size_t> top_k_;  // without a cap
  std::vector<RouteLimits> limits_;
  std::vector<uint8_t> allowed_;  // [n_layers, n_experts], empty: all are
};

}  // namespace siskin
