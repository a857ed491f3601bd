// Routing: which experts each token uses and with what weight, in rows of any length; and the same, turned around, by expert.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace siskin {

// What a request allows its tokens in one layer.
struct RouteLimits {
  size_t top_k = 0;                  // experts per token, at most
  float min_probability = 0;         // of the chosen ones' weights together; but for the first, an expert with less is left out
  const uint8_t* allowed = nullptr;  // [n_experts], 0: never chosen; null: all may be
};

// Token t uses expert_ids[offsets[t] .. offsets[t+1]) in rank order, with those weights.
struct Routing {
  std::vector<uint32_t> offsets;  // [n_tokens + 1]
  std::vector<uint32_t> expert_ids;
  std::vector<float> weights;

  size_t n_tokens() const { return offsets.empty() ? 0 : offsets.size() - 1; }
};

// Expert e works on rows[offsets[e] .. offsets[e+1]): the token of each row, and where in the routing it came from.
struct ExpertBatches {
  std::vector<uint32_t> offsets;  // [n_experts + 1]
  std::vector<uint32_t> rows;     // token of each sorted row
  std::vector<uint32_t> entries;  // index into Routing::expert_ids of each sorted row
};

// A counting sort by expert; tokens stay in order within an expert.
void sort_by_expert(const Routing& routing, size_t n_experts, ExpertBatches& batches);

}  // namespace siskin
