// Reports for people, made from result.json's document alone.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace siskin::selector {

// REQUIRES: a document of schema kResultSchema. Throws nlohmann::json::exception where a key is missing.
std::string report_markdown(const nlohmann::json& result);
// One file that needs no network: styles, script, chart library and data are inside; tables show everything without scripts.
std::string report_html(const nlohmann::json& result);

}  // namespace siskin::selector
