// SHA-256 of texts and files: the names under which variants and trials are kept.
#pragma once

#include <siskin/result.h>

#include <filesystem>
#include <string>
#include <string_view>

namespace siskin::selector {

std::string sha256(std::string_view text);  // 64 hex digits
// A file's bytes, or a folder's regular files (names and bytes, in name order).
Result<std::string> sha256_of_path(const std::filesystem::path& path);

}  // namespace siskin::selector
