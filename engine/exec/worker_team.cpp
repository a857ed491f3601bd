#include "engine/exec/worker_team.h"

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

#include "formats/check.h"

namespace siskin {
namespace {

// One word says which grid is open, how many tasks it has and which is next; a claim is one compare-and-swap on it, so a late
// worker can never take a task of a grid that has closed.
constexpr unsigned kTaskBits = 20;
constexpr uint64_t kTaskMask = (uint64_t{1} << kTaskBits) - 1;

constexpr uint64_t next_of(uint64_t word) { return word & kTaskMask; }
constexpr uint64_t epoch_of(uint64_t word) { return word >> (2 * kTaskBits); }
constexpr uint64_t count_of(uint64_t word) { return (word >> kTaskBits) & kTaskMask; }
constexpr uint64_t open_grid(uint64_t epoch, uint64_t count) { return (epoch << (2 * kTaskBits)) | (count << kTaskBits); }

// Who has to wait pauses this often (about 50 us), then yields between looks (a few ms in all), and then stops burning what a
// crowded or throttled machine has left: a worker goes back to TBB, the caller sleeps between looks.
constexpr unsigned kPauses = 1000;
constexpr unsigned kYields = 4000;
constexpr std::chrono::microseconds kNap{50};

// ThreadSanitizer does not see inside libtbb, so it is told what enqueue promises: a task sees what was written before it.
#if defined(__SANITIZE_THREAD__)
void hand_over(void* object) { __tsan_release(object); }
void take_over(void* object) { __tsan_acquire(object); }
#else
void hand_over(void*) {}
void take_over(void*) {}
#endif

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// A thread's times of one grid, written between its claim of a task and its report that the task is done.
struct GridTimes {
  explicit GridTimes(unsigned n) : threads(n) {}

  ThreadTime& start() {
    ThreadTime& mine = threads[used.fetch_add(1, std::memory_order_relaxed)];
    mine.first_s = PartClock::now_s();
    return mine;
  }

  std::atomic<unsigned> used{0};
  std::vector<ThreadTime> threads;
};

}  // namespace

struct WorkerTeam::Shared {
  alignas(64) std::atomic<uint64_t> word{0};
  alignas(64) std::atomic<uint64_t> done{0};
  alignas(64) std::atomic<unsigned> present{0};  // workers in their loop or on their way to it
  std::atomic<bool> stop{false};
  TaskFn call = nullptr;  // of the open grid: written before `word`, stable until every claimed task is done
  void* fn = nullptr;
  GridTimes* times = nullptr;  // of the open grid, like `call`; null: nobody asks
  uint64_t epoch = 0;
  std::optional<tbb::global_control> allowance;
  std::optional<tbb::task_arena> arena;

  // Runs tasks until the open grid has none left. Returns whether it ran any.
  bool drain() {
    bool ran = false;
    ThreadTime* mine = nullptr;
    uint64_t timed_epoch = 0;
    uint64_t seen = word.load(std::memory_order_acquire);
    while (next_of(seen) < count_of(seen)) {
      if (!word.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel, std::memory_order_acquire)) continue;
      if (times != nullptr && (mine == nullptr || epoch_of(seen) != timed_epoch)) {
        mine = &times->start();
        timed_epoch = epoch_of(seen);
      }
      call(fn, next_of(seen));
      if (times != nullptr) mine->last_s = PartClock::now_s();
      done.fetch_add(1, std::memory_order_release);
      ran = true;
      seen = word.load(std::memory_order_acquire);
    }
    return ran;
  }

  void work() {
    take_over(this);
    unsigned idle = 0;
    while (idle < kPauses + kYields && !stop.load(std::memory_order_relaxed)) {
      if (drain()) {
        idle = 0;
      } else if (++idle < kPauses) {
        pause_cpu();
      } else {
        std::this_thread::yield();
      }
    }
    present.fetch_sub(1, std::memory_order_release);
  }
};

WorkerTeam::WorkerTeam(unsigned threads) : threads_(threads), shared_(std::make_shared<Shared>()) {
  SISKIN_CHECK(threads >= 1);
  if (threads_ == 1) return;
  shared_->allowance.emplace(tbb::global_control::max_allowed_parallelism, threads_);
  shared_->arena.emplace(static_cast<int>(threads_), 1);
}

WorkerTeam::~WorkerTeam() {
  shared_->stop.store(true, std::memory_order_relaxed);
  while (shared_->present.load(std::memory_order_acquire) != 0) std::this_thread::yield();
}

void WorkerTeam::run_grid(size_t n, TaskFn call, void* fn) {
  Shared& shared = *shared_;
  SISKIN_CHECK(n <= kTaskMask);
  while (shared.present.load(std::memory_order_relaxed) + 1 < threads_) {
    shared.present.fetch_add(1, std::memory_order_relaxed);
    hand_over(&shared);
    // Not instrumented itself: it reads its capture before it can take over.
    shared.arena->enqueue([&shared]() __attribute__((no_sanitize("thread"))) { shared.work(); });
  }
  std::optional<GridTimes> times;
  double open_s = 0;
  if (clock_ != nullptr) {
    times.emplace(threads_);
    open_s = PartClock::now_s();
  }
  shared.times = times ? &*times : nullptr;
  shared.call = call;
  shared.fn = fn;
  shared.done.store(0, std::memory_order_relaxed);
  shared.word.store(open_grid(++shared.epoch, n), std::memory_order_release);
  shared.drain();
  for (unsigned spins = 0; shared.done.load(std::memory_order_acquire) != n; ++spins) {
    if (spins < kPauses) {
      pause_cpu();
    } else if (spins < kPauses + kYields) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(kNap);
    }
  }
  if (times) clock_->add_grid(open_s, PartClock::now_s(), threads_, std::span(times->threads).first(times->used));
}

}  // namespace siskin
