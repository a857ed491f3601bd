// The router: from scores to Routing. Its rules are options here and nowhere else.
#pragma once

#include <cstddef>

#include "engine/routing.h"
#include "engine/spec.h"
#include "kernels/kernels.h"

namespace siskin {

// For each token: the top_k largest scores (ties by lower index), weighted as `rule` says. scores: [n_tokens, n_experts]; a
// softmax over all experts replaces them in place. (A softmax over the chosen ones equals one over all, cut to top-k and
// renormalised.) Sources: Mixtral of Experts (arXiv 2401.04088), section 2.1; OLMoE (arXiv 2409.02060), section 2.
void route_tokens(const KernelTable& kernels, float* scores, size_t n_tokens, size_t n_experts, size_t top_k,
                  ExpertWeights rule, Routing& routing);

}  // namespace siskin
