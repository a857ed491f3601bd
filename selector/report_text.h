// How numbers and names are written in both reports.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace siskin::selector {

std::string escape_html(std::string_view text);
std::string escape_markdown(std::string_view text);  // for a table cell
// For a <script> element: no text of the document can end it or open a comment.
std::string json_for_script(const nlohmann::json& document);

bool has_value(const nlohmann::json& quantity);
double value_of(const nlohmann::json& quantity);
std::string source_of(const nlohmann::json& quantity);  // "measured"

std::string format_ms(double ms);          // "8.25"
std::string format_count(double count);    // "10,000"
std::string format_rate(double qps);       // "1 request/s", "10,000 requests/s"
std::string format_usd(double usd);        // "$25,809", "$0.34", "$3.1e-05"
std::string format_bytes(double bytes);    // "8.39 MB"
std::string format_params(double count);   // "4.20 M"
std::string format_percent(double share);  // "1.8%"
std::string format_quality(double value, const std::string& metric);

}  // namespace siskin::selector
