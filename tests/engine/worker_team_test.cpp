// The worker team: every task once, whatever the number of threads and however small the grid.

#include <atomic>
#include <vector>

#include <catch2/catch.hpp>

#include "engine/exec/worker_team.h"

namespace siskin {

TEST_CASE("every task of a grid runs exactly once", "[team]") {
  for (const unsigned threads : {1u, 2u, 3u, 8u}) {
    WorkerTeam team(threads);
    for (size_t grid = 0; grid < 2000; ++grid) {
      const size_t n = grid % 37;
      std::vector<std::atomic<int>> runs(n);
      team.run(n, [&](size_t task) { runs[task].fetch_add(1); });
      for (const auto& count : runs) REQUIRE(count.load() == 1);
    }
  }
}

TEST_CASE("teams can be made and dropped in a hurry", "[team]") {
  for (int i = 0; i < 50; ++i) {
    WorkerTeam team(2);
    std::atomic<int> sum = 0;
    team.run(3, [&](size_t task) { sum += static_cast<int>(task); });
    REQUIRE(sum == 3);
  }
}

}  // namespace siskin
