#include "bench/siskin_bench/counters.h"

#include <linux/perf_event.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace siskin::bench {
namespace {

int open_counter(uint32_t type, uint64_t config) {
  perf_event_attr attr = {};
  attr.size = sizeof attr;
  attr.type = type;
  attr.config = config;
  attr.inherit = 1;
  attr.exclude_kernel = 1;
  attr.exclude_hv = 1;
  return static_cast<int>(syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC));
}

std::optional<uint64_t> read_counter(int fd) {
  uint64_t value = 0;
  if (fd < 0 || read(fd, &value, sizeof value) != sizeof value) return std::nullopt;
  return value;
}

std::optional<uint64_t> difference(std::optional<uint64_t> after, std::optional<uint64_t> before) {
  if (!after || !before) return std::nullopt;
  return *after - *before;
}

}  // namespace

Counters::Counters()
    : cache_(open_counter(PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES)),
      tlb_(open_counter(PERF_TYPE_HW_CACHE, PERF_COUNT_HW_CACHE_DTLB | (PERF_COUNT_HW_CACHE_OP_READ << 8) |
                                                (PERF_COUNT_HW_CACHE_RESULT_MISS << 16))) {}

Counters::~Counters() {
  for (const int fd : {cache_, tlb_}) {
    if (fd >= 0) close(fd);
  }
}

Counts Counters::read() const {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return {static_cast<uint64_t>(usage.ru_minflt),
          static_cast<uint64_t>(usage.ru_majflt),
          static_cast<uint64_t>(usage.ru_nvcsw),
          static_cast<uint64_t>(usage.ru_nivcsw),
          read_counter(cache_),
          read_counter(tlb_)};
}

Counts operator-(const Counts& after, const Counts& before) {
  return {after.minor_faults - before.minor_faults,
          after.major_faults - before.major_faults,
          after.voluntary_switches - before.voluntary_switches,
          after.involuntary_switches - before.involuntary_switches,
          difference(after.cache_misses, before.cache_misses),
          difference(after.tlb_misses, before.tlb_misses)};
}

}  // namespace siskin::bench
