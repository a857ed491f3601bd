#include "engine/quantize/output_file.h"

#include <string>
#include <string_view>
#include <system_error>

namespace siskin {
namespace {

namespace fs = std::filesystem;

// "m-00002-of-00003.gguf" -> "m": the parts of a split model share it.
std::string split_stem(const fs::path& path) {
  const std::string name = path.filename().string();
  constexpr size_t kTail = std::string_view("-00001-of-00001.gguf").size();
  if (name.size() <= kTail || name.substr(name.size() - kTail + 6, 4) != "-of-") return {};
  return name.substr(0, name.size() - kTail);
}

}  // namespace

Status check_output_path(const fs::path& in, const fs::path& out) {
  std::error_code ignored;
  const bool same = fs::equivalent(in, out, ignored);
  const std::string stem = split_stem(in);
  const bool a_part = !stem.empty() && split_stem(out) == stem &&
                      fs::equivalent(fs::absolute(in).parent_path(), fs::absolute(out).parent_path(), ignored);
  if (same || a_part) {
    return Error{ErrorCode::invalid_argument, out.string() + ": the output would replace the input; name another file"};
  }
  if (fs::is_directory(out, ignored)) return Error{ErrorCode::invalid_argument, out.string() + ": is a directory"};
  return {};
}

Result<uint64_t> written_bytes(const fs::path& out) {
  std::error_code failed;
  const uint64_t bytes = fs::file_size(out, failed);
  if (failed) return Error{ErrorCode::io, out.string() + ": " + failed.message()};
  return bytes;
}

}  // namespace siskin
