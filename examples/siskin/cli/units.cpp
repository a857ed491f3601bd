// Numbers for people: bytes and counts with the prefix that keeps three digits.
#include "examples/siskin/cli/units.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <string_view>

namespace siskin::cli {
namespace {

std::string scaled(double value, const std::array<const char*, 5>& units) {
  size_t unit = 0;
  while (value >= 999.5 && unit + 1 < units.size()) {
    value /= 1000;
    ++unit;
  }
  const int decimals = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return units[unit][0] == '\0' ? fmt::format("{:.{}f}", value, decimals)
                                : fmt::format("{:.{}f} {}", value, decimals, units[unit]);
}

}  // namespace

std::string human_bytes(double bytes) { return scaled(bytes, {"B", "kB", "MB", "GB", "TB"}); }

std::string human_count(double count) { return scaled(count, {"", "K", "M", "B", "T"}); }

std::optional<uint64_t> parse_bytes(const std::string& text) {
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || !(number > 0)) return std::nullopt;
  std::string_view unit(rest, static_cast<size_t>(end - rest));
  double scale = 1;
  constexpr std::string_view kPrefixes = "KMGT";
  if (!unit.empty() && kPrefixes.find(unit[0]) != std::string_view::npos) {
    const bool decimal = unit.substr(1) == "B";
    const double steps = static_cast<double>(kPrefixes.find(unit[0]) + 1);
    scale = std::pow(decimal ? 1000.0 : 1024.0, steps);
    if (unit.size() > 1 && !decimal && unit.substr(1) != "iB") return std::nullopt;
  } else if (!unit.empty() && unit != "B") {
    return std::nullopt;
  }
  constexpr double kMost = 1e18;
  if (number * scale < 1 || number * scale > kMost) return std::nullopt;
  return static_cast<uint64_t>(number * scale);
}

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

}  // namespace siskin::cli
