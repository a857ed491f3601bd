// results.sqlite: the result in tables, for questions that a report does not answer.
#pragma once

#include <siskin/result.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "selector/trials.h"

namespace siskin::selector {

// Adds one run (or replaces it, by its id) from result.json's document, and every trial. Tables: runs, candidates, costs,
// trials.
Status write_database(const std::filesystem::path& file, const nlohmann::json& result, const TrialLog& trials);

}  // namespace siskin::selector
