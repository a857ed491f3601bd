// --expert-top-k, --expert-min-p, --expert-mask: how a mixture's experts are used, where it is not to be as trained.
#pragma once

#include <siskin/expert_knobs.h>

#include <cstdint>
#include <string>
#include <vector>

#include "examples/siskin/cli/command_line.h"

namespace siskin::cli {

struct ExpertFlags {
  std::vector<uint32_t> top_k;
  double min_probability = -1;  // below 0: not given
  std::string mask;
};

void add_expert_flags(CommandLine& line, ExpertFlags& flags);
// Reads the mask. Errors: what load_expert_mask says.
Result<ExpertKnobs> expert_knobs(const ExpertFlags& flags);

}  // namespace siskin::cli
