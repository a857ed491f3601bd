// Where the tools' tests find models and put files.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "tests/places.h"

namespace siskin::tools_test {

// A file of the test data; the zoo's files also come with the source.
inline std::filesystem::path data(const std::string& relative) {
  const std::filesystem::path path = places::test_data() / relative;
  constexpr std::string_view kZoo = "models/zoo";
  if (!std::filesystem::exists(path) && relative.starts_with(kZoo)) {
    return places::zoo() / relative.substr(std::min(relative.size(), kZoo.size() + 1));
  }
  return path;
}

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
}

// A folder of this test's own, removed at its end.
class TempFolder {
 public:
  TempFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "siskin-tools-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  std::filesystem::path operator/(const char* name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace siskin::tools_test

// Leaves the test case, saying why, when a file of the test data is not there.
#define SISKIN_SKIP_WITHOUT(path)                         \
  if (!std::filesystem::exists(path)) {                   \
    WARN("skipped: no test data at " << (path).string()); \
    return;                                               \
  }                                                       \
  static_cast<void>(0)
