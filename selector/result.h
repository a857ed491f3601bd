// RunResult: everything a run found out, and its JSON form (schema version below). Reports are made from the JSON alone.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "selector/candidate.h"
#include "selector/config.h"
#include "selector/evaluate.h"
#include "selector/feasibility.h"
#include "selector/latency_check.h"
#include "selector/profile.h"
#include "selector/project.h"

namespace siskin::selector {

inline constexpr int kResultSchema = 1;

enum class CandidateStatus { passed, failed, ruled_out, inconclusive, not_measured, error };
std::string_view status_name(CandidateStatus status);

struct CandidateResult {
  Candidate candidate;
  Bounds bounds;
  CandidateStatus status = CandidateStatus::not_measured;
  std::vector<Finding> findings;  // the first is the reported one
  std::optional<QualityCheck> quality;
  std::string quality_path;
  std::optional<Profile> profile;
  std::optional<LatencyCheck> latency;
  std::vector<CostRow> cost;  // one per volume once a rate is known
  bool pareto = false;        // no measured candidate is both better and faster

  bool measured() const { return quality.has_value() && latency.has_value(); }
};

struct Choice {
  Volume volume;
  std::optional<size_t> candidate;  // index; empty: none is feasible at this volume
  std::string why;
};

struct RunResult {
  std::vector<CandidateResult> candidates;
  std::vector<Choice> chosen;
  std::vector<std::string> warnings;
  int exit_code = 0;
  bool noisy = false;
};

nlohmann::json result_json(const RunResult& result, const Config& config, const MachineProfile& machine,
                           const Material& material, const std::string& engine_version);

}  // namespace siskin::selector
