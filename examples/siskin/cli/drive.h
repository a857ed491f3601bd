// What every program does with the library: load with progress, run one request until it ends or Ctrl-C, read files, cost as
// JSON.
#pragma once

#include <siskin/machine.h>
#include <siskin/model.h>
#include <siskin/result.h>
#include <siskin/session.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "examples/siskin/cli/progress.h"

namespace siskin::cli {

struct LoadFlags {
  unsigned threads = 0;
  size_t ctx = 0;
  ProgressMode progress = ProgressMode::automatic;
  bool copy_packed = false;
  uint64_t ram_bytes = 0;  // 0: unbounded
  std::string overlay = {};  // a file; empty: none
};

// Model::load with a progress bar; Ctrl-C cancels it.
Result<std::shared_ptr<const Model>> load_model(const std::string& path, const LoadFlags& flags);

enum class MachineNeed {
  cached,    // take the profile if there is one
  measured,  // measure where there is none
};
// Null where it is not measured and need not be. Errors: what machine_profile says.
Result<std::shared_ptr<const MachineProfile>> machine_for(MachineNeed need, ProgressMode progress);

// Runs one request to its end. Ctrl-C cancels it between two steps: the completion then holds what was done.
Result<Completion> run_to_end(Session& session, Request request);

// The whole file; "-" is stdin.
Result<std::string> read_text(const std::string& path);
// The lines that are not blank, each parsed; errors name file and line.
Result<std::vector<nlohmann::json>> read_json_lines(const std::string& path);

nlohmann::ordered_json cost_json(const Cost& cost);

// Tokens per second; 0 where nothing was timed.
double per_second(size_t tokens, double seconds);

}  // namespace siskin::cli
