// The router: from logits to Routing. Its rules are options of RouterSpec and are applied here and nowhere else.
#pragma once

#include <cstddef>
#include <span>

#include "engine/routing.h"
#include "engine/spec.h"
#include "kernels/kernels.h"

namespace siskin {

// Added to the scores for the choice alone, not for the weights. values: [n_experts], null: none.
struct SelectionBias {
  const float* values = nullptr;
  uint32_t tensor = 0;  // identity, for the ledger
};

// For each token, in this order: scores of the logits; what is chosen by: scores + bias; the best groups; of their allowed
// experts the top-k (ties by lower index); their scores, without bias, as weights; the cut of those below a probability;
// normalised (the sum is at least 2^-14, F16's smallest normal number, as in llama.cpp) and scaled. A softmax or sigmoid
// without bias chooses by the logits, which have the same order and no two of which became equal by rounding. logits:
// [limits.size(), n_experts], overwritten by scores; NaN ranks last. limits: of each token. A token gets fewer experts than its
// top_k where fewer are allowed, and none where none is. Sources: Mixtral of Experts (arXiv 2401.04088), section 2.1; OLMoE
// (2409.02060), section 2; GRIN (2409.12136), section 2.2, for sparse_mixer; DeepSeek-V2 (2405.04434), section 2.2.2; DeepSeek-V3 (2412.19437), section 2.1.2.
void route_tokens(const KernelTable& kernels, const RouterSpec& rule, const SelectionBias& bias, float* logits,
                  size_t n_experts, std::span<const RouteLimits> limits, Routing& routing);

}  // namespace siskin
