// Profile: how fast one candidate serves. Closed loops find the rate it can reach, an open loop at the load it is meant to
// carry gives the latencies.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "selector/backend.h"
#include "selector/config.h"
#include "selector/noise.h"

namespace siskin::selector {

struct ClosedLoopRow {
  size_t concurrency = 0, n = 0;
  double qps = 0, mean_ms = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ClosedLoopRow, concurrency, n, qps, mean_ms)

// One load that was tried. Loads fall until the budget is met, is surely broken at the lowest, or lacks samples.
struct LoadTry {
  double rate = 0;  // offered, requests/s
  size_t n = 0;
  std::string outcome;  // "pass", "fail", "inconclusive", "abandoned"
  Noise noise;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(LoadTry, rate, n, outcome, noise)

struct Profile {
  std::vector<ClosedLoopRow> closed;
  std::vector<LoadTry> tries;
  std::string measured_at;    // "open loop", "closed loop" (arrivals = "closed"), "alone" (rejected before any load)
  double saturation_qps = 0;  // best closed-loop rate that the budget lets count
  double carried_qps = 0;     // the load of the samples below
  double max_qps = 0;         // carried / headroom
  std::vector<double> latency_ms, ttft_ms;  // one per request, in the engine and its queue, with measured pre-processing
  double preprocess_ms_mean = 0, dispatch_ms_mean = 0;
  double bytes_per_token = 0;         // one request alone
  double bytes_per_token_loaded = 0;  // at the load, shared by the requests of a step
  double bandwidth_share = 0;         // one request alone; 0: unknown
  bool has_tokenizer = true;
  Noise noise;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Profile, closed, tries, measured_at, saturation_qps, carried_qps, max_qps, latency_ms,
                                   ttft_ms, preprocess_ms_mean, dispatch_ms_mean, bytes_per_token, bytes_per_token_loaded,
                                   bandwidth_share, has_tokenizer, noise)

struct ProfileContext {
  const Config& config;
  Clock& clock;
  std::shared_ptr<const MachineProfile> machine;
  std::string_view material;  // held-out text that prompts are taken from
  std::function<bool()> cancelled;
  std::function<void(const std::string& what, double fraction)> on_progress;
  std::function<MachineCounters()> counters;
};

// The seed with which declared parts are drawn: fixed, so that results can be recomputed from stored samples.
uint64_t declared_parts_seed(const Config& config);

Result<Profile> profile_candidate(LoadedModel& model, const ProfileContext& context);

}  // namespace siskin::selector
