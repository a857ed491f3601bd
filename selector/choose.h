// Choose: the cheapest candidate that passes, at every volume, and why; or what kept all of them from passing.
#pragma once

#include "selector/result.h"

namespace siskin::selector {

enum ExitCode {
  kExitChosen = 0,
  kExitFailed = 1,
  kExitConfig = 2,
  kExitMixed = 10,
  kExitQuality = 11,
  kExitLatency = 12,
  kExitCost = 13,
  kExitInconclusive = 14,
  kExitNoisy = 15,
  kExitInterrupted = 130,
};

// Judges one candidate from its findings and measurements: fills cost, findings of cost, and status.
void judge_candidate(CandidateResult& candidate, const Config& config);

// True when the candidate passes quality and latency, and costs no more than each volume's limit.
bool passes_everywhere(const CandidateResult& candidate, const Config& config);

// Fills chosen, pareto and exit_code.
void choose(RunResult& result, const Config& config);

}  // namespace siskin::selector
