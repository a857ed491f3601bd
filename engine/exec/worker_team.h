// WorkerTeam: runs a grid of tasks on the caller and the workers of a TBB arena. The workers spin between grids, because a
// decode step is a hundred grids of a few microseconds each. It is not a scheduler: one grid at a time, issued by one thread.
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>

#include "engine/exec/part_clock.h"

namespace siskin {

class WorkerTeam {
 public:
  explicit WorkerTeam(unsigned threads);
  ~WorkerTeam();
  WorkerTeam(const WorkerTeam&) = delete;
  WorkerTeam& operator=(const WorkerTeam&) = delete;

  unsigned threads() const { return threads_; }

  // Reports every grid from now on; null (the default): reports nothing and reads no clock.
  void set_clock(PartClock* clock) { clock_ = clock; }

  // Calls fn(task) for every task in [0, n), in any order, on any thread of the team, and returns when all are done. The caller
  // takes part and never waits for a worker that has not arrived, so an oversubscribed machine slows down and cannot hang.
  // REQUIRES: fn does not throw; n < 2^20; not called from within fn.
  template <class Fn>
  void run(size_t n, Fn&& fn) {
    run_ranges(n, [&fn](size_t first, size_t last) {
      for (size_t task = first; task < last; ++task) fn(task);
    });
  }

  // The same by ranges that together are [0, n): calls fn(first, last), long ranges first, for tasks [first, last). Where one
  // ends depends on the threads, so results must not.
  template <class Fn>
  void run_ranges(size_t n, Fn&& fn) {
    if (n == 0) return;
    if (n == 1 || threads_ == 1) return fn(size_t{0}, n);
    run_grid(
        n, [](void* f, size_t first, size_t last) noexcept { (*static_cast<std::remove_reference_t<Fn>*>(f))(first, last); },
        const_cast<void*>(static_cast<const void*>(&fn)));
  }

 private:
  using RangeFn = void (*)(void* fn, size_t first, size_t last) noexcept;
  void run_grid(size_t n, RangeFn call, void* fn);

  struct Shared;
  unsigned threads_;
  PartClock* clock_ = nullptr;
  std::shared_ptr<Shared> shared_;
};

}  // namespace siskin
