// What the kernel counts of this process while something runs: page faults, context switches and, where it lets one, cache and
// TLB misses.
#pragma once

#include <cstdint>
#include <optional>

namespace siskin::bench {

struct Counts {
  uint64_t minor_faults = 0, major_faults = 0;
  uint64_t voluntary_switches = 0, involuntary_switches = 0;
  std::optional<uint64_t> cache_misses, tlb_misses;  // absent: not permitted here
};

// Opens the hardware counters of this process and of every thread it starts later. Make it before any thread.
class Counters {
 public:
  Counters();
  ~Counters();
  Counters(const Counters&) = delete;
  Counters& operator=(const Counters&) = delete;

  Counts read() const;  // since the start of the process; hardware counts since construction

 private:
  int cache_ = -1, tlb_ = -1;
};

Counts operator-(const Counts& after, const Counts& before);

}  // namespace siskin::bench
