// Run: the whole selection, step by step: bounds, variants, quality, profile, choice. Resumes from the trials of an earlier
// run.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "selector/backend.h"
#include "selector/result.h"
#include "selector/trials.h"

namespace siskin::selector {

struct Progress {
  std::string stage;      // "machine", "variant", "quality", "profile"
  std::string candidate;  // empty for the machine
  std::string what;
  size_t step = 0, steps = 0;  // candidates done, candidates in all
  double fraction = 0;         // of this step's current part
};

struct RunOptions {
  std::filesystem::path out_dir;
  bool strict = false;  // a noisy machine is an exit code instead of a warning
  std::function<bool()> cancelled;
  std::function<void(const Progress&)> on_progress;
  std::function<MachineCounters()> counters = read_counters;
};

struct RunOutcome {
  RunResult result;
  nlohmann::json json;  // result.json's document
};

// Measures what must be measured, appends trials to out_dir/trials.jsonl. Errors: cancelled (everything measured is kept), io,
// invalid_argument. Files other than trials and variants are written by write_outputs.
Result<RunOutcome> run_selection(const Config& config, Backend& backend, const RunOptions& options);

// The candidates with their bounds and who is ruled out, measuring no candidate.
Result<RunResult> plan_selection(const Config& config, Backend& backend, const RunOptions& options);

// result.json, report.md, report.html, results.sqlite.
Status write_outputs(const std::filesystem::path& out_dir, const nlohmann::json& result);
// report.md and report.html again, from result.json.
Status rewrite_reports(const std::filesystem::path& out_dir);

}  // namespace siskin::selector
