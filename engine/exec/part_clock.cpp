#include "engine/exec/part_clock.h"

namespace siskin {

const char* part_name(Part part) {
  constexpr const char* kNames[kParts] = {"between steps", "embedding",        "norms",  "q, k, v", "rope, kv store",
                                          "attention",     "attention output", "router", "routing", "gate, up",
                                          "down",          "combine",          "head"};
  return kNames[static_cast<size_t>(part)];
}

StepProfile& StepProfile::operator+=(const StepProfile& other) {
  for (size_t i = 0; i < kParts; ++i) {
    parts[i].serial_s += other.parts[i].serial_s;
    parts[i].work_s += other.parts[i].work_s;
    parts[i].wake_s += other.parts[i].wake_s;
    parts[i].imbalance_s += other.parts[i].imbalance_s;
    parts[i].grids += other.parts[i].grids;
  }
  return *this;
}

void PartClock::enter(Part part) {
  const double now = now_s();
  profile_.of(part_).serial_s += now - since_s_;
  since_s_ = now;
  part_ = part;
}

void PartClock::add_grid(double open_s, double close_s, size_t n_threads, std::span<const ThreadTime> threads) {
  PartTime& part = profile_.of(part_);
  const double n = static_cast<double>(n_threads);
  part.serial_s += open_s - since_s_;
  part.grids += 1;
  part.wake_s += (close_s - open_s) * static_cast<double>(n_threads - threads.size()) / n;
  for (const ThreadTime& thread : threads) {
    part.wake_s += (thread.first_s - open_s) / n;
    part.work_s += (thread.last_s - thread.first_s) / n;
    part.imbalance_s += (close_s - thread.last_s) / n;
  }
  since_s_ = close_s;
}

}  // namespace siskin
