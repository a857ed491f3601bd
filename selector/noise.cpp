// Reads the kernel's counters.
#include "selector/noise.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>

namespace siskin::selector {
namespace {

double seconds(const timeval& time) { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6; }

uint64_t read_throttled() {
  std::ifstream in("/sys/fs/cgroup/cpu.stat");
  std::string key;
  uint64_t value = 0;
  while (in >> key >> value) {
    if (key == "nr_throttled") return value;
  }
  return 0;
}

}  // namespace

MachineCounters read_counters() {
  MachineCounters out;
  std::ifstream in("/proc/stat");
  std::string label;
  std::array<double, 8> ticks{};  // user nice system idle iowait irq softirq steal
  in >> label;
  for (double& value : ticks) in >> value;
  if (in) {
    const double per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
    for (const double value : ticks) out.total_s += value / per_second;
    out.idle_s = (ticks[3] + ticks[4]) / per_second;
    out.steal_s = ticks[7] / per_second;
  }
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) out.own_s = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  out.throttled = read_throttled();
  return out;
}

Noise noise_between(const MachineCounters& before, const MachineCounters& after) {
  Noise out;
  const double total = after.total_s - before.total_s;
  if (total <= 0) return out;
  const double steal = after.steal_s - before.steal_s;
  const double busy = total - (after.idle_s - before.idle_s) - steal;
  out.steal_share = std::max(0.0, steal / total);
  out.others_share = std::clamp((busy - (after.own_s - before.own_s)) / total, 0.0, 1.0);
  out.throttled = after.throttled - std::min(after.throttled, before.throttled);
  return out;
}

std::string noise_complaint(const Noise& noise) {
  std::string out;
  const auto add = [&](const std::string& text) { out += (out.empty() ? "" : ", ") + text; };
  if (noise.steal_share > 0.02)
    add(fmt::format("{:.0f}% of the processor time was stolen by the hypervisor", noise.steal_share * 100));
  if (noise.others_share > 0.10)
    add(fmt::format("other processes took {:.0f}% of the processor time", noise.others_share * 100));
  if (noise.throttled > 0) add(fmt::format("the cgroup's quota throttled us {} times", noise.throttled));
  return out;
}

}  // namespace siskin::selector
