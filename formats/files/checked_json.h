// JSON from a file that may be hostile: bounded depth and number of values, no duplicate keys.
#pragma once

#include <siskin/result.h>

#include <cstddef>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

namespace siskin {

// Parses one object. `base` is where `text` begins in the file, for the offsets in errors (corrupt_file).
Result<nlohmann::json> parse_json_object(std::span<const std::byte> text, const std::string& file, size_t base = 0);

}  // namespace siskin
