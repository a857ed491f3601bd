// Feasibility: what the machine cannot do, known before anything is measured. Bounds only; a bound that passes proves nothing.
#pragma once

#include <siskin/machine.h>

#include <optional>
#include <string>
#include <vector>

#include "selector/candidate.h"
#include "selector/config.h"
#include "selector/quantity.h"

namespace siskin::selector {

enum class FailKind { quality, latency, cost, memory, error };
std::string_view fail_kind_name(FailKind kind);

// Why a candidate is out (or undecided): a rule with its number and limit, in words, and the smallest change that would pass
// it.
struct Finding {
  FailKind kind{};
  std::string stage;  // "bounds", "quality", "latency", "cost", "load"
  std::string rule;   // "ram_gb", "latency_ms.p99", "max_loss", "usd_per_month"
  Quantity found;
  double limit = 0;
  std::string reason;
  std::string cheapest_change;
  bool inconclusive = false;  // more samples could still let it pass
};

// Lower bounds of one request's time and memory and an upper bound of a replica's rate.
struct Bounds {
  double memory_gb = 0;
  double ttft_ms = 0;     // the prompt's arithmetic, or its weights read once
  double latency_ms = 0;  // ttft + one pass over the active weights for each further token
  double max_qps = 0;     // from the arithmetic of a request alone: batching shares bytes, never operations
  double bandwidth_gb_s = 0, peak_gflops = 0;
};

// The bandwidth that reading `bytes` over and over cannot exceed: the best measured at any thread count at working sets no
// smaller than the largest measured one that still fits into `bytes` (a larger set is never faster), cache-resident ones
// included.
double bandwidth_limit_gb_s(const MachineProfile& machine, double bytes);

Bounds compute_bounds(const ModelInfo& info, const Workload& workload, const MachineProfile& machine);

// The rules that the bounds break, the first being the one to report. Empty: must be measured.
std::vector<Finding> check_bounds(const Bounds& bounds, const Config& config, const MachineProfile& machine);

}  // namespace siskin::selector
