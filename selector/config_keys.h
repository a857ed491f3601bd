// The configuration's vocabulary: every key that exists, whether it is built, and the nearest known name of a misspelt one.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace siskin::selector {

struct KnownKey {
  std::string_view section;  // "" top level, "budget", "budget.latency_ms", "candidate" ...
  std::string_view key;
  bool built;
};

std::span<const KnownKey> known_keys();
const KnownKey* find_key(std::string_view section, std::string_view key);
// The known name with the smallest edit distance; names of the same section win over those of others.
std::string nearest_key(std::string_view section, std::string_view key);
std::string nearest_of(std::string_view word, std::span<const std::string_view> known);

}  // namespace siskin::selector
