#include "engine/quantize/output_folder.h"

#include <unistd.h>

#include <string>
#include <system_error>
#include <utility>

#include "formats/try.h"

namespace siskin {
namespace {

namespace fs = std::filesystem;

constexpr uintmax_t kSmallFile = uintmax_t{256} << 20;  // the largest tokenizer.json is about 35 MB

Error io_error(const fs::path& path, const std::error_code& failed) {
  return {ErrorCode::io, path.string() + ": " + failed.message()};
}

bool is_weights(const fs::path& path) {
  const std::string name = path.filename().string();
  for (const char* ending : {".safetensors", ".safetensors.index.json", ".bin", ".bin.index.json", ".gguf", ".pth", ".pt"}) {
    if (name.ends_with(ending)) return true;
  }
  return false;
}

}  // namespace

Result<OutputFolder> OutputFolder::create(const fs::path& target) {
  std::error_code failed;
  if (fs::exists(fs::symlink_status(target, failed)) && !(fs::is_directory(target, failed) && fs::is_empty(target, failed))) {
    return Error{ErrorCode::invalid_argument, target.string() + ": is there already; name a new folder"};
  }
  OutputFolder folder;
  folder.target_ = fs::absolute(target, failed).lexically_normal();
  if (folder.target_.filename().empty()) folder.target_ = folder.target_.parent_path();
  const fs::path temporary =
      folder.target_.parent_path() / ("." + folder.target_.filename().string() + ".part-" + std::to_string(getpid()));
  if (!fs::create_directory(temporary, failed)) return io_error(temporary, failed);
  folder.temporary_ = temporary;
  return folder;
}

OutputFolder::OutputFolder(OutputFolder&& other) noexcept
    : target_(std::move(other.target_)), temporary_(std::exchange(other.temporary_, {})) {}

OutputFolder::~OutputFolder() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
}

Status OutputFolder::copy_small_files(const fs::path& from) {
  std::error_code failed;
  for (fs::directory_iterator entry(from, failed), end; !failed && entry != end; entry.increment(failed)) {
    const fs::path& file = entry->path();
    std::error_code ignored;
    const bool small = fs::is_regular_file(file, ignored) && fs::file_size(file, ignored) <= kSmallFile;
    if (!small || is_weights(file) || file.filename() == "config.json") continue;
    fs::copy_file(file, temporary_ / file.filename(), failed);
    if (failed) return io_error(file, failed);
  }
  if (failed) return io_error(from, failed);
  return {};
}

Result<uint64_t> OutputFolder::commit() {
  uint64_t bytes = 0;
  std::error_code failed;
  for (fs::directory_iterator entry(temporary_, failed), end; !failed && entry != end; entry.increment(failed)) {
    bytes += fs::file_size(entry->path(), failed);
    if (failed) break;
  }
  if (failed) return io_error(temporary_, failed);
  fs::rename(temporary_, target_, failed);  // replaces an empty folder
  if (failed) return io_error(target_, failed);
  temporary_.clear();
  return bytes;
}

}  // namespace siskin
