// Small files of measurements in $XDG_CACHE_HOME/siskin. A file that is missing or unreadable is an empty text.
#pragma once

#include <siskin/result.h>

#include <filesystem>
#include <string>

namespace siskin {

// $XDG_CACHE_HOME/siskin, or ~/.cache/siskin; empty where neither variable is set to an absolute path.
std::filesystem::path cache_folder();
std::string read_cache(const std::string& name);
// To a temporary name beside it, then renamed: readers see the old file or the new one.
Status write_cache(const std::string& name, const std::string& text);
// Removes every file of the folder whose name starts with `prefix` and ends in ".json".
Status remove_from_cache(const std::string& prefix);

}  // namespace siskin
