#include "engine/routing.h"

namespace siskin {

void sort_by_expert(const Routing& routing, size_t n_experts, ExpertBatches& batches) {
  batches.offsets.assign(n_experts + 1, 0);
  for (uint32_t expert : routing.expert_ids) ++batches.offsets[expert + 1];
  for (size_t e = 0; e < n_experts; ++e) batches.offsets[e + 1] += batches.offsets[e];
  batches.rows.resize(routing.expert_ids.size());
  batches.entries.resize(routing.expert_ids.size());
  std::vector<uint32_t> next(batches.offsets.begin(), batches.offsets.end() - 1);
  for (uint32_t token = 0; token < routing.n_tokens(); ++token) {
    for (uint32_t entry = routing.offsets[token]; entry < routing.offsets[token + 1]; ++entry) {
      const uint32_t row = next[routing.expert_ids[entry]]++;
      batches.rows[row] = token;
      batches.entries[row] = entry;
    }
  }
}

}  // namespace siskin
