// The worker team: every task once, whatever the number of threads and however small the grid.

#include "engine/exec/worker_team.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <vector>

namespace siskin {
namespace {

// The calling thread, and those that it starts, on one CPU for one scope.
class OneCpu {
 public:
  OneCpu() {
    REQUIRE(sched_getaffinity(0, sizeof(before_), &before_) == 0);
    int cpu = 0;
    while (!CPU_ISSET(cpu, &before_)) ++cpu;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    REQUIRE(sched_setaffinity(0, sizeof(one), &one) == 0);
  }
  ~OneCpu() { sched_setaffinity(0, sizeof(before_), &before_); }
  OneCpu(const OneCpu&) = delete;
  OneCpu& operator=(const OneCpu&) = delete;

 private:
  cpu_set_t before_;
};

}  // namespace

// Two threads on one CPU: whoever waits must let the other run.
TEST_CASE("more threads than CPUs get every task done", "[team]") {
  const OneCpu one_cpu;
  WorkerTeam crowded(2);
  constexpr size_t kGrids = 400, kTasks = 16;
  std::vector<size_t> runs(kTasks * 8);  // a cache line each
  for (size_t grid = 0; grid < kGrids; ++grid) crowded.run(kTasks, [&](size_t task) { ++runs[task * 8]; });
  for (size_t task = 0; task < kTasks; ++task) CHECK(runs[task * 8] == kGrids);
}

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

TEST_CASE("ranges cover every task exactly once", "[team]") {
  for (const unsigned threads : {1u, 2u, 3u, 8u}) {
    WorkerTeam team(threads);
    for (size_t n = 0; n < 300; ++n) {
      std::vector<std::atomic<int>> runs(n);
      std::atomic<size_t> empty = 0;
      team.run_ranges(n, [&](size_t first, size_t last) {
        if (first >= last || last > n) ++empty;
        for (size_t task = first; task < std::min(last, n); ++task) runs[task].fetch_add(1);
      });
      REQUIRE(empty == 0);
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
