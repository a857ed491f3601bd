// fork_join: a loop on an arena's threads, for work that is not a step of a model (worker_team.h runs those).
#pragma once

#include <cstddef>

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace siskin {

// ThreadSanitizer does not see inside libtbb, so it is told what a fork and a join promise, and nothing more: bodies of one loop that
// touch the same bytes still race.
class ForkJoinOrder {
 public:
#if defined(__SANITIZE_THREAD__)
  ForkJoinOrder() { __tsan_release(&fork_); }
  void begin() { __tsan_acquire(&fork_); }
  void end() { __tsan_release(&join_); }
  void join() { __tsan_acquire(&join_); }

 private:
  char fork_ = 0, join_ = 0;
#else
  void begin() {}
  void end() {}
  void join() {}
#endif
};

// body(begin, end) for disjoint ranges that cover [begin, end), of `grain` indices or more where there are as many. Returns when all
// have.
template <class Body>
void fork_join(tbb::task_arena& arena, size_t begin, size_t end, size_t grain, const Body& body) {
  ForkJoinOrder order;
  arena.execute([&] {
    tbb::parallel_for(tbb::blocked_range<size_t>(begin, end, grain), [&](const tbb::blocked_range<size_t>& range) {
      order.begin();
      body(range.begin(), range.end());
      order.end();
    });
  });
  order.join();
}

}  // namespace siskin
