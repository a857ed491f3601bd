// The waterfall of one test: from what the limit alone would take to the measured step, loss by loss.
#pragma once

#include <siskin/model.h>
#include <siskin/profile.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/siskin_bench/counters.h"
#include "bench/siskin_bench/plan.h"

namespace siskin::bench {

// One line of the waterfall. Seconds of one step; negative where a part beats the plain loop (prefetched or cached bytes).
struct Loss {
  std::string name;
  double seconds = 0;
  double rate = 0;  // GB/s or GFLOP/s that the part reached in its tasks; 0: not a part that streams
};

struct Explanation {
  double step_s = 0;           // of the explained run
  double without_clock_s = 0;  // the median of the samples, at that run's bandwidth
  double limit_s = 0;          // bytes / paired bandwidth, or operations / paired peak
  std::vector<Loss> losses;
  double unexplained_s = 0;  // step - limit - losses
  Counts counts;             // of the explained run
  size_t steps = 0;
};

// `samples` are the test's; `profile`, `counts` and `run` are of one more run with the clock on.
Explanation explain(const ModelInfo& model, const Test& test, const std::vector<Sample>& samples, const Sample& run,
                    const StepProfile& profile, const Counts& counts);

nlohmann::ordered_json to_json(const Explanation& explanation);
std::string to_table(const Test& test, const Explanation& explanation);

}  // namespace siskin::bench
