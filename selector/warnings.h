// Warnings: what a careful colleague would say about the question, the answer and the machine. They never change the choice.
#pragma once

#include "selector/result.h"

namespace siskin::selector {

// In the order of importance. Covers the failure patterns of model selection: the strongest chosen by default, no cost, no
// analysis, no test of quality, no tail, nothing small tried.
std::vector<std::string> find_warnings(const RunResult& result, const Config& config);

// Those that need no measurement; `plan` prints them too.
std::vector<std::string> find_config_warnings(const Config& config);

}  // namespace siskin::selector
