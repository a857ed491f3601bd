// PartClock: charges the time of the thread that runs a step to one part after another, and each grid's thread times to the
// part it belongs to. Absent unless someone asked.
#pragma once

#include <siskin/profile.h>

#include <chrono>
#include <span>

namespace siskin {

// When one thread took its first task of a grid and finished its last.
struct ThreadTime {
  double first_s = 0;
  double last_s = 0;
};

class PartClock {
 public:
  explicit PartClock(StepProfile& profile) : profile_(profile), since_s_(now_s()) {}

  static double now_s() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

  // What runs from here on belongs to `part`.
  void enter(Part part);
  // A grid that has just ended, of a team of n_threads; `threads` are those that ran tasks.
  void add_grid(double open_s, double close_s, size_t n_threads, std::span<const ThreadTime> threads);

 private:
  StepProfile& profile_;
  Part part_ = Part::between;
  double since_s_;  // time up to here is charged
};

}  // namespace siskin
