// Numbers for people: bytes and counts with the prefix that keeps three digits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace siskin::cli {

std::string human_bytes(double bytes);  // "4.40 GB", decimal as memory bandwidth is quoted
std::string human_count(double count);  // "1.10 B", "655 K", "12"
std::optional<uint64_t> parse_bytes(const std::string& text);  // "2G" and "2GiB": 2^31, "2GB": 2e9, "1.5G", "4096"; above 0
std::string lower(std::string text);    // ASCII

}  // namespace siskin::cli
