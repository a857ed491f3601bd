#include "engine/exec/worker_team.h"

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <thread>
#include <vector>

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

#include "formats/check.h"

namespace siskin {
namespace {

// Each thread has a part of a grid's tasks, one run of neighbours, and takes them in order: tasks next to each other read
// weights next to each other, and a core's prefetchers go on from one to the next (1.2 GB of Q8_0 on two Zen 4 cores whose
// memory reads 59 GB/s: 49 where the threads share one queue, 57 so). Who is done helps others from the ends of their parts.
//
// One word says which grid a part belongs to and which tasks [next, end) of it are left. A claim is one compare-and-swap on it,
// so that a late worker can never take a task of a grid that has closed.
constexpr unsigned kTaskBits = 20;
constexpr uint64_t kTaskMask = (uint64_t{1} << kTaskBits) - 1;
constexpr uint64_t kOneTask = uint64_t{1} << kTaskBits;
constexpr uint64_t kSingleTasks = 3;

constexpr uint64_t end_of(uint64_t word) { return word & kTaskMask; }
constexpr uint64_t next_of(uint64_t word) { return (word >> kTaskBits) & kTaskMask; }
constexpr uint64_t open_part(uint64_t epoch, uint64_t next, uint64_t end) {
  return (epoch << (2 * kTaskBits)) | (next << kTaskBits) | end;
}

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

}  // namespace

struct WorkerTeam::Shared {
  struct alignas(64) Part {
    std::atomic<uint64_t> word{0};
    std::atomic<bool> has_owner{false};
  };

  explicit Shared(unsigned threads) : parts(threads) { parts[0].has_owner = true; }

  std::vector<Part> parts;  // the first is the caller's
  alignas(64) std::atomic<uint64_t> done{0};
  alignas(64) std::atomic<unsigned> present{0};  // workers in their loop or on their way to it
  std::atomic<bool> stop{false};
  RangeFn call = nullptr;  // of the open grid: written before any part's word, stable until every claimed task is done
  void* fn = nullptr;
  // Of the open grid, like `call`, by the thread's part; null: nobody asks. A thread writes its own between its claim of tasks
  // and its report that they are done.
  ThreadTime* times = nullptr;
  uint64_t epoch = 0;
  std::optional<tbb::global_control> allowance;
  std::optional<tbb::task_arena> arena;

  // Neighbouring tasks.
  struct Run {
    uint64_t first = 0, n = 0;
  };

  // Takes half of what is left of a part, the first tasks for its owner, the last for others: a locked instruction lets no
  // later load begin, so that one per task leaves the memory idle, and where a run ends prefetchers start anew. The last few
  // go one by one, so that threads end together. n is 0 where nothing is left.
  static Run claim(Part& part, bool owner) {
    uint64_t word = part.word.load(std::memory_order_acquire);
    while (next_of(word) < end_of(word)) {
      const uint64_t left = end_of(word) - next_of(word), n = left > 2 * kSingleTasks ? (left - kSingleTasks) / 2 : 1;
      if (!part.word.compare_exchange_weak(word, owner ? word + n * kOneTask : word - n, std::memory_order_acq_rel,
                                           std::memory_order_acquire)) {
        continue;
      }
      return {owner ? next_of(word) : end_of(word) - n, n};
    }
    return {};
  }

  // Runs tasks until the open grid has none left, those of part `own` first. Returns whether it ran any.
  bool drain(size_t own) {
    bool ran = false;
    for (size_t i = 0; i < parts.size(); ++i) {
      for (Run run; (run = claim(parts[(own + i) % parts.size()], i == 0)).n > 0;) {
        if (times != nullptr && times[own].first_s == 0) times[own].first_s = PartClock::now_s();
        call(fn, run.first, run.first + run.n);
        if (times != nullptr) times[own].last_s = PartClock::now_s();
        done.fetch_add(run.n, std::memory_order_release);
        ran = true;
      }
    }
    return ran;
  }

  // There are as many parts as threads, so one is free.
  size_t take_part() {
    for (size_t part = 1;; part = part + 1 < parts.size() ? part + 1 : 1) {
      if (!parts[part].has_owner.exchange(true, std::memory_order_relaxed)) return part;
    }
  }

  void work() {
    take_over(this);
    const size_t own = take_part();
    unsigned idle = 0;
    while (idle < kPauses + kYields && !stop.load(std::memory_order_relaxed)) {
      if (drain(own)) {
        idle = 0;
      } else if (++idle < kPauses) {
        pause_cpu();
      } else {
        std::this_thread::yield();
      }
    }
    parts[own].has_owner.store(false, std::memory_order_relaxed);
    present.fetch_sub(1, std::memory_order_release);
  }
};

WorkerTeam::WorkerTeam(unsigned threads) : threads_(threads), shared_(std::make_shared<Shared>(threads)) {
  SISKIN_CHECK(threads >= 1);
  if (threads_ == 1) return;
  shared_->allowance.emplace(tbb::global_control::max_allowed_parallelism, threads_);
  shared_->arena.emplace(static_cast<int>(threads_), 1);
}

WorkerTeam::~WorkerTeam() {
  shared_->stop.store(true, std::memory_order_relaxed);
  while (shared_->present.load(std::memory_order_acquire) != 0) std::this_thread::yield();
}

void WorkerTeam::run_grid(size_t n, RangeFn call, void* fn) {
  Shared& shared = *shared_;
  SISKIN_CHECK(n <= kTaskMask);
  while (shared.present.load(std::memory_order_relaxed) + 1 < threads_) {
    shared.present.fetch_add(1, std::memory_order_relaxed);
    hand_over(&shared);
    // Not instrumented itself: it reads its capture before it can take over.
    shared.arena->enqueue([&shared]() __attribute__((no_sanitize("thread"))) { shared.work(); });
  }
  std::vector<ThreadTime> times;
  double open_s = 0;
  if (clock_ != nullptr) {
    times.resize(threads_);
    open_s = PartClock::now_s();
  }
  shared.times = clock_ != nullptr ? times.data() : nullptr;
  shared.call = call;
  shared.fn = fn;
  shared.done.store(0, std::memory_order_relaxed);
  ++shared.epoch;
  for (size_t part = 0; part < threads_; ++part) {
    shared.parts[part].word.store(open_part(shared.epoch, n * part / threads_, n * (part + 1) / threads_),
                                  std::memory_order_release);
  }
  shared.drain(0);
  for (unsigned spins = 0; shared.done.load(std::memory_order_acquire) != n; ++spins) {
    if (spins < kPauses) {
      pause_cpu();
    } else if (spins < kPauses + kYields) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(kNap);
    }
  }
  if (clock_ == nullptr) return;
  std::erase_if(times, [](const ThreadTime& time) { return time.first_s == 0; });
  clock_->add_grid(open_s, PartClock::now_s(), threads_, times);
}

}  // namespace siskin
