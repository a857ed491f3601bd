// LatencyCheck: do these samples prove that the budget's percentiles are met, disprove it, or neither?
#pragma once

#include <vector>

#include "selector/config.h"
#include "selector/feasibility.h"
#include "selector/statistics.h"

namespace siskin::selector {

enum class Verdict { pass, fail, inconclusive };

struct PercentileRow {
  PercentileEstimate p50, p95, p99;
};

struct LatencyCheck {
  Verdict verdict = Verdict::pass;
  std::vector<Finding> findings;  // one for each percentile that does not pass
  PercentileRow latency, ttft;
  bool n_too_small = false;  // an open percentile has fewer samples than any bound needs
};

// latency_ms and ttft_ms are what the engine took; declared parts are added with `seed` (parts.h).
LatencyCheck check_latency(const std::vector<double>& latency_ms, const std::vector<double>& ttft_ms, const Budget& budget,
                           uint64_t seed);

// True when so many samples exceed a limit that its percentile is surely broken: a reason to stop measuring.
bool surely_broken(const std::vector<double>& latency_ms, const std::vector<double>& ttft_ms, const Budget& budget,
                   uint64_t seed);

}  // namespace siskin::selector
