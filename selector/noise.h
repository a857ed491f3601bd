// Noise: what else the machine did while we measured. Stolen time, throttling and other processes make timings worthless.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace siskin::selector {

// Counters since boot, in seconds of processor time summed over all processors.
struct MachineCounters {
  double total_s = 0, idle_s = 0, steal_s = 0;
  double own_s = 0;  // this process
  uint64_t throttled = 0;
};

// Shares of the machine's processor time during a measurement.
struct Noise {
  double steal_share = 0;
  double others_share = 0;  // busy, but not with us
  uint64_t throttled = 0;   // times that the cgroup's quota stopped us
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Noise, steal_share, others_share, throttled)

// /proc/stat, getrusage and cgroup v2's cpu.stat; what the system does not tell stays zero.
MachineCounters read_counters();
Noise noise_between(const MachineCounters& before, const MachineCounters& after);

// Empty: quiet enough. Limits: 2% stolen, 10% others, any throttling. A tenth of two cores taken by others already moves p99.
std::string noise_complaint(const Noise& noise);

}  // namespace siskin::selector
