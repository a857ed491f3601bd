// The router: from scores to Routing. One rule so far, Mixtral's; others become options here and nowhere else.
#pragma once

#include <cstddef>

#include "engine/routing.h"
#include "kernels/kernels.h"

namespace siskin {

// For each token: the top_k largest scores (ties by lower index), weights = softmax over those k.
// scores: [n_tokens, n_experts]. (Equal to softmax over all experts, then top-k, then renormalising.)
// Source: Mixtral of Experts (arXiv 2401.04088), section 2.1.
void route_tokens(const KernelTable& kernels, const float* scores, size_t n_tokens, size_t n_experts, size_t top_k,
                  Routing& routing);

}  // namespace siskin
