// Another program measured in turn with ours: runs a command that prints llama-bench JSON and finds the row of a test.
#pragma once

#include <siskin/result.h>

#include <nlohmann/json.hpp>
#include <string>

#include "bench/siskin_bench/plan.h"

namespace siskin::bench {

// Runs `command` in the shell and returns its rows. Errors: io when it fails, corrupt_file when it prints no llama-bench JSON.
Result<nlohmann::json> run_peer(const std::string& command);

// Tokens per second of the row with this test's n_prompt and n_gen, and its n_threads where the rows name one. Errors:
// not_found.
Result<double> peer_speed(const nlohmann::json& rows, const Test& test);

}  // namespace siskin::bench
