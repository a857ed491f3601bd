// Evaluate: quality of a candidate on held-out documents, scored with the kernels that serve, compared pairwise with the
// original.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "selector/backend.h"
#include "selector/config.h"
#include "selector/feasibility.h"
#include "selector/quantity.h"

namespace siskin::selector {

// The held-out material, the same for every candidate.
struct Material {
  std::vector<std::string> documents;  // either these
  std::vector<ChoiceItem> items;       // or these
  std::string text;                    // everything, for prompts
  std::string hash;                    // of what is scored
  size_t size() const { return documents.empty() ? items.size() : documents.size(); }
};
Result<Material> load_material(const Config& config);

// One document's or item's score; what a bootstrap resamples.
struct UnitScore {
  double nll = 0;  // nats; 0 for items
  size_t tokens = 0, bytes = 0;
  int correct = 0;  // items
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(UnitScore, nll, tokens, bytes, correct)

struct QualityScores {
  std::vector<UnitScore> units;
  std::string path;  // "decode": which kernels scored
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(QualityScores, units, path)

Result<QualityScores> score_quality(LoadedModel& model, const Material& material, const Measure& measure,
                                    const ScoreOptions& options);

struct QualityCheck {
  Quantity value;  // the metric, with its own (unpaired) interval
  Quantity loss;   // relative to the reference, with the paired interval that decides; 0 for the reference itself
  std::optional<Finding> finding;  // why it fails
};

// candidates: how many are compared with the reference; the risk is shared out over them.
// REQUIRES: both score the same material.
QualityCheck check_quality(const QualityScores& scores, const QualityScores& reference, bool is_reference, size_t candidates,
                           const Config& config);

// The metric over units, each taken as often as `times` says (empty: once). Exposed for tests.
double metric_of(const std::vector<UnitScore>& units, const std::vector<size_t>& draw, Metric metric);

}  // namespace siskin::selector
