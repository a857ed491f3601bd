// Numbers for people: bytes and counts with the prefix that keeps three digits.
#include "examples/siskin/cli/units.h"

#include <fmt/format.h>

#include <array>
#include <cstddef>

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

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

}  // namespace siskin::cli
