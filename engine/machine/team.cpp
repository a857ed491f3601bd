// A start line for probe threads: all wait, all go, the pass lasts from the first start to the last end.
#include "engine/machine/team.h"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <limits>
#include <system_error>
#include <thread>
#include <vector>

namespace siskin {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_between(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

// Spins, because threads woken from sleep would start tens of microseconds apart; yields where the others cannot run meanwhile.
void wait_for_all(std::atomic<size_t>& arrived, size_t expected) {
  constexpr int kSpins = 2000;
  arrived.fetch_add(1);
  for (int spins = 0; arrived.load(std::memory_order_acquire) < expected; ++spins) {
    if (spins > kSpins) std::this_thread::yield();
  }
}

struct alignas(64) Lap {  // a cache line each: threads write them at the same time
  Clock::time_point begin, end;
};

}  // namespace

Result<TimedRuns> timed_runs(unsigned threads, double seconds, int min_passes, const std::function<void(unsigned)>& work) {
  TimedRuns runs{std::numeric_limits<double>::infinity(), 0};
  std::vector<Lap> laps(threads);
  std::atomic<bool> go_on = true;
  const Clock::time_point deadline =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));

  // Runs on the last thread to arrive, while the others wait: it alone sees all laps.
  auto after_pass = [&]() noexcept {
    Clock::time_point begin = laps[0].begin, end = laps[0].end;
    for (const Lap& lap : laps) {
      begin = std::min(begin, lap.begin);
      end = std::max(end, lap.end);
    }
    runs.best_seconds = std::min(runs.best_seconds, seconds_between(begin, end));
    ++runs.passes;
    if (runs.passes >= min_passes && Clock::now() >= deadline) go_on = false;
  };
  std::barrier finished(threads, after_pass);
  std::atomic<size_t> arrived = 0;
  std::atomic<int> signal = 0;  // 0: wait for the others to exist; 1: go; -1: one of them does not, leave

  auto run = [&](unsigned thread) {
    signal.wait(0);
    if (signal < 0) return;
    for (size_t expected = threads; go_on; expected += threads) {
      wait_for_all(arrived, expected);
      laps[thread].begin = Clock::now();
      work(thread);
      laps[thread].end = Clock::now();
      finished.arrive_and_wait();
    }
  };
  std::vector<std::jthread> team;
  bool complete = true;
  try {
    team.reserve(threads);
    for (unsigned thread = 0; thread < threads; ++thread) team.emplace_back(run, thread);
  } catch (const std::system_error&) {
    complete = false;
  }
  signal = complete ? 1 : -1;
  signal.notify_all();
  team.clear();
  if (!complete) return Error{ErrorCode::io, "cannot start " + std::to_string(threads) + " threads to measure the machine"};
  return runs;
}

}  // namespace siskin
