// Routing by token and by expert against each other.

#include "engine/routing.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

namespace siskin {

TEST_CASE("sorting by expert keeps every entry once and tokens in order", "[routing]") {
  std::mt19937 random(11);
  Routing routing;
  routing.offsets = {0};
  const size_t n_experts = 70;
  for (size_t t = 0; t < 50; ++t) {  // k differs per token
    const size_t k = random() % 5;
    for (size_t r = 0; r < k; ++r) {
      routing.expert_ids.push_back(static_cast<uint32_t>(random() % n_experts));
      routing.weights.push_back(1);
    }
    routing.offsets.push_back(static_cast<uint32_t>(routing.expert_ids.size()));
  }
  ExpertBatches batches;
  sort_by_expert(routing, n_experts, batches);
  std::vector<bool> seen(routing.expert_ids.size());
  for (size_t e = 0; e < n_experts; ++e) {
    for (uint32_t row = batches.offsets[e]; row < batches.offsets[e + 1]; ++row) {
      const uint32_t entry = batches.entries[row];
      REQUIRE_FALSE(seen[entry]);
      seen[entry] = true;
      REQUIRE(routing.expert_ids[entry] == e);
      REQUIRE(entry >= routing.offsets[batches.rows[row]]);
      REQUIRE(entry < routing.offsets[batches.rows[row] + 1]);
      if (row > batches.offsets[e]) REQUIRE(batches.rows[row - 1] <= batches.rows[row]);
    }
  }
  CHECK(std::all_of(seen.begin(), seen.end(), [](bool b) { return b; }));
}

}  // namespace siskin
