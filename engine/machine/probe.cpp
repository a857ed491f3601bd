// Times the loops of loops.h by threads and working set. The best pass counts: whatever else ran here only makes passes slower.
#include "engine/machine/probe.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>

#include "engine/machine/loops.h"
#include "engine/machine/team.h"

namespace siskin {
namespace {

constexpr double kMegabyte = 1e6;
constexpr std::array<size_t, 6> kWorkingSets = {size_t{1} << 20,  size_t{4} << 20,   size_t{16} << 20,
                                                size_t{64} << 20, size_t{256} << 20, size_t{1} << 30};
constexpr double kBandwidthSeconds = 2.4;  // shared out over the points
constexpr double kPointSeconds = 0.1;      // the most for one point, unless its fewest passes take longer
constexpr double kSlowestPass = 0.15;      // working sets that would take longer are left out
// A pass: well above the start line's cost, and short enough to fall between two interruptions by other programs.
constexpr double kPassSeconds = 1e-3;
constexpr size_t kRepeatedSlice = size_t{16} << 20;  // larger slices take longer than a pass by themselves
constexpr double kPeakSeconds = 0.4;                 // for each of the two units that are measured by threads
constexpr double kPeakPointSeconds = 0.08;

// Pages of our own, not the allocator's: huge where the system gives them, and returned at once.
class Pages {
 public:
  explicit Pages(size_t bytes) : bytes_(bytes) {
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return;
    data_ = static_cast<std::byte*>(memory);
    madvise(memory, bytes, MADV_HUGEPAGE);
  }
  ~Pages() {
    if (data_ != nullptr) munmap(data_, bytes_);
  }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  std::byte* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  size_t bytes_;
  std::byte* data_ = nullptr;
};

std::vector<unsigned> thread_counts(unsigned most) {
  std::vector<unsigned> counts;
  for (unsigned n = 1; n < most; n *= 2) counts.push_back(n);
  counts.push_back(most);
  return counts;
}

size_t slice_bytes(size_t working_set, unsigned threads) { return working_set / threads / kReadStep * kReadStep; }

// Every page written once, by the thread that will read it when all threads read.
Status touch(const Pages& pages, unsigned threads) {
  const size_t slice = pages.bytes() / threads;
  const auto runs = timed_runs(threads, 0, 1, [&](unsigned thread) {
    const size_t end = thread + 1 == threads ? pages.bytes() : (thread + 1) * slice;
    std::fill(pages.data() + thread * slice, pages.data() + end, std::byte{1});
  });
  return runs ? Status{} : Status{runs.error()};
}

struct ReadPoint {
  unsigned threads;
  size_t working_set;
  double seconds;
};

// Seconds of one call, the better of three.
template <class Call>
double trial_seconds(const Call& call) {
  double best = 1;
  for (int i = 0; i < 3; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    call();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return std::max(best, 1e-7);
}

Result<ReadBandwidth> measure_point(const Pages& pages, ReadLoop read, const ReadPoint& point) {
  const size_t slice = slice_bytes(point.working_set, point.threads);
  const double total = static_cast<double>(slice) * point.threads;
  std::atomic<uint64_t> sink = 0;  // keeps the reads alive
  int repeats = 1;
  if (slice <= kRepeatedSlice) {
    const double once = trial_seconds([&] { sink = read(pages.data(), slice); });
    repeats = static_cast<int>(std::clamp(std::ceil(kPassSeconds / once), 1.0, 1000.0));
  }
  const auto runs = timed_runs(point.threads, point.seconds, slice <= kRepeatedSlice ? 3 : 2, [&](unsigned thread) {
    uint64_t sum = 0;
    for (int i = 0; i < repeats; ++i) sum += read(pages.data() + thread * slice, slice);
    sink.fetch_add(sum, std::memory_order_relaxed);
  });
  if (!runs) return runs.error();
  return ReadBandwidth{point.threads, total / kMegabyte, total * repeats / runs->best_seconds / 1e9};
}

// GFLOP/s of one unit on `threads` threads.
Result<double> measure_unit(const ArithmeticLoop& loop, unsigned threads, double seconds) {
  constexpr size_t kTrial = 20000;
  std::atomic<float> sink = 0;
  const double once = trial_seconds([&] { sink = loop.run(kTrial); });
  const size_t iterations = kTrial * static_cast<size_t>(std::max(std::ceil(kPassSeconds / once), 1.0));
  const auto runs = timed_runs(threads, seconds, 3, [&](unsigned) { sink = loop.run(iterations); });
  if (!runs) return runs.error();
  return loop.ops * static_cast<double>(iterations) * threads / runs->best_seconds / 1e9;
}

Result<std::vector<double>> measure_by_threads(const ArithmeticLoop& loop, unsigned threads) {
  std::vector<double> peaks;
  const double seconds = std::clamp(kPeakSeconds / threads, 0.004, kPeakPointSeconds);
  for (unsigned n = 1; n <= threads; ++n) {
    const auto peak = measure_unit(loop, n, seconds);
    if (!peak) return peak.error();
    peaks.push_back(*peak);
  }
  return peaks;
}

}  // namespace

Status measure_read_bandwidth(MachineProfile& profile, const std::function<void(double)>& on_progress) {
  const uint64_t spare = available_memory_bytes() / 4;
  size_t largest = kWorkingSets.front();
  for (size_t set : kWorkingSets) {
    if (set <= spare) largest = set;
  }
  const Pages pages(largest);
  if (pages.data() == nullptr) return Error{ErrorCode::out_of_memory, "cannot map memory to measure read bandwidth"};
  if (const auto status = touch(pages, profile.threads); !status) return status.error();

  const auto counts = thread_counts(profile.threads);
  const double points = static_cast<double>(counts.size() * kWorkingSets.size());
  const double seconds = std::min(kPointSeconds, kBandwidthSeconds / points);
  const ReadLoop read = read_loop_for(profile.isa);
  double done = 0;
  for (unsigned threads : counts) {
    double gb_s = 0;
    for (size_t set : kWorkingSets) {
      done += 1;
      const bool too_slow = gb_s > 0 && static_cast<double>(set) / (gb_s * 1e9) > kSlowestPass;
      if (set > largest || slice_bytes(set, threads) == 0 || too_slow) continue;
      const auto point = measure_point(pages, read, {threads, set, seconds});
      if (!point) return point.error();
      gb_s = point->gb_s;
      profile.read_gb_s.push_back(*point);
      profile.read_gb_s_max = std::max(profile.read_gb_s_max, gb_s);
      if (on_progress) on_progress(done / points);
    }
  }
  return {};
}

Status measure_peaks(MachineProfile& profile, const std::function<void(double)>& on_progress) {
  const ArithmeticLoops loops = arithmetic_loops();
  const auto by_threads = [&](const ArithmeticLoop& loop, std::optional<double>& peak, std::vector<double>& peaks) -> Status {
    if (loop.run == nullptr) return {};
    auto measured = measure_by_threads(loop, profile.threads);
    if (!measured) return measured.error();
    peaks = *std::move(measured);
    peak = peaks.back();
    return {};
  };
  const auto all_threads = [&](const ArithmeticLoop& loop, std::optional<double>& peak) -> Status {
    if (loop.run == nullptr) return {};
    const auto measured = measure_unit(loop, profile.threads, kPeakPointSeconds);
    if (!measured) return measured.error();
    peak = *measured;
    return {};
  };
  const auto report = [&](double fraction) {
    if (on_progress) on_progress(fraction);
  };
  if (auto s = by_threads(loops.f32, profile.peak_f32, profile.peak_f32_by_threads); !s) return s;
  report(0.4);
  if (auto s = by_threads(loops.int8_vector, profile.peak_int8_vector, profile.peak_int8_by_threads); !s) return s;
  report(0.8);
  if (auto s = all_threads(loops.int8_matrix, profile.peak_int8_matrix); !s) return s;
  // By threads for the unit that this table's bf16 matmuls run on.
  std::vector<double> unused;
  const auto curve = [&](ArithmeticLoop ArithmeticLoops::*unit) -> std::vector<double>& {
    return unit == bf16_unit(profile.isa) ? profile.peak_bf16_by_threads : unused;
  };
  if (auto s = by_threads(loops.bf16, profile.peak_bf16, curve(&ArithmeticLoops::bf16)); !s) return s;
  if (auto s = by_threads(loops.bf16_matrix, profile.peak_bf16_matrix, curve(&ArithmeticLoops::bf16_matrix)); !s) return s;
  report(1.0);
  return {};
}

}  // namespace siskin
