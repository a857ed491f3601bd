// Routing against a plain reference, and its two orders against each other.

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>
#include <random>

#include "engine/router.h"
#include "kernels/select.h"

namespace siskin {

TEST_CASE("the router picks the best experts and weighs them by the softmax of its rule", "[routing]") {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  const auto rule = GENERATE(ExpertWeights::softmax_over_chosen, ExpertWeights::softmax_over_all);
  for (const Isa& isa : available_isas()) {
    for (const auto& [n_experts, top_k] : {std::pair<size_t, size_t>{4, 2}, {8, 2}, {65, 8}, {300, 17}, {3, 3}, {1, 1}}) {
      const size_t n = 9;
      std::vector<float> scores(n * n_experts);
      for (float& s : scores) s = std::round(4 * normal(random)) / 4;  // coarse, so that ties happen
      Routing routing;
      std::vector<float> in_place = scores;
      route_tokens(isa.complete, in_place.data(), n, n_experts, top_k, rule, routing);
      REQUIRE(routing.n_tokens() == n);
      for (size_t t = 0; t < n; ++t) {
        const float* row = &scores[t * n_experts];
        std::vector<uint32_t> order(n_experts);
        std::iota(order.begin(), order.end(), 0u);
        std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return row[a] > row[b]; });
        const size_t n_summed = rule == ExpertWeights::softmax_over_all ? n_experts : top_k;
        double sum = 0;
        for (size_t r = 0; r < n_summed; ++r) sum += std::exp(double{row[order[r]]} - row[order[0]]);
        for (size_t r = 0; r < top_k; ++r) {
          const uint32_t entry = routing.offsets[t] + static_cast<uint32_t>(r);
          REQUIRE(routing.expert_ids[entry] == order[r]);
          REQUIRE(routing.weights[entry] == Approx(std::exp(double{row[order[r]]} - row[order[0]]) / sum).epsilon(1e-5));
        }
      }
    }
  }
}

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
