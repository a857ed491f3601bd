#include "engine/router.h"

namespace siskin {

void route_tokens(const KernelTable& kernels, float* scores, size_t n_tokens, size_t n_experts, size_t top_k,
                  ExpertWeights rule, Routing& routing) {
  routing.offsets.resize(n_tokens + 1);
  routing.expert_ids.resize(n_tokens * top_k);
  routing.weights.resize(n_tokens * top_k);
  routing.offsets[0] = 0;
  for (size_t t = 0; t < n_tokens; ++t) {
    float* row = scores + t * n_experts;
    uint32_t* ids = &routing.expert_ids[t * top_k];
    float* weights = &routing.weights[t * top_k];
    kernels.top_k(row, n_experts, top_k, ids);
    if (rule == ExpertWeights::softmax_over_all) kernels.softmax(row, n_experts);
    for (size_t rank = 0; rank < top_k; ++rank) weights[rank] = row[ids[rank]];
    if (rule == ExpertWeights::softmax_over_chosen) kernels.softmax(weights, top_k);
    routing.offsets[t + 1] = static_cast<uint32_t>((t + 1) * top_k);
  }
}

}  // namespace siskin
