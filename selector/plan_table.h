// What `plan` prints: every candidate with its bounds, and who is ruled out before anything is measured.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "selector/result.h"

namespace siskin::selector {

std::string plan_text(const RunResult& plan);
nlohmann::json plan_json(const RunResult& plan);

}  // namespace siskin::selector
