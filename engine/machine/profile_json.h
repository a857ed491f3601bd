// A profile and kernel choices as JSON, and back from a cache file that may hold anything.
#pragma once

#include <siskin/machine.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace siskin {

// Nothing when the text is not a profile: malformed, of another schema, or with numbers that no measurement gives.
std::optional<MachineProfile> profile_from_json(std::string_view text);

std::string choices_to_json(const std::vector<KernelChoice>& choices);
std::optional<std::vector<KernelChoice>> choices_from_json(std::string_view text);

}  // namespace siskin
