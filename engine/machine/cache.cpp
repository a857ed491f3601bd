// Reads, replaces and removes cache files; no reader ever sees half a file.
#include "engine/machine/cache.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include "engine/machine/limits.h"

namespace siskin {
namespace {

Error io_error(const std::filesystem::path& path, const char* what, int code) {
  return Error{ErrorCode::io, path.string() + ": " + what + ": " + std::generic_category().message(code)};
}

bool write_whole(int file, const std::string& text) {
  size_t written = 0;
  while (written < text.size()) {
    const ssize_t n = ::write(file, text.data() + written, text.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    written += static_cast<size_t>(n);
  }
  return true;
}

}  // namespace

std::filesystem::path cache_folder() {
  // A relative $XDG_CACHE_HOME is to be ignored, says the base directory specification.
  if (const char* xdg = std::getenv("XDG_CACHE_HOME"); xdg != nullptr && xdg[0] == '/')
    return std::filesystem::path(xdg) / "siskin";
  if (const char* home = std::getenv("HOME"); home != nullptr && home[0] == '/') {
    return std::filesystem::path(home) / ".cache" / "siskin";
  }
  return {};
}

std::string read_cache(const std::string& name) {
  const auto folder = cache_folder();
  return folder.empty() ? std::string{} : read_small_file(folder / name);
}

Status write_cache(const std::string& name, const std::string& text) {
  const auto folder = cache_folder();
  if (folder.empty()) return Error{ErrorCode::io, "no cache folder: neither XDG_CACHE_HOME nor HOME is set"};
  std::error_code code;
  std::filesystem::create_directories(folder, code);
  if (code) return io_error(folder, "cannot create the folder", code.value());

  std::string temporary = (folder / (name + ".XXXXXX")).string();
  const int file = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (file < 0) return io_error(folder, "cannot create a file", errno);
  const bool written = write_whole(file, text);
  const int write_errno = errno;
  const bool closed = ::close(file) == 0;
  if (!written || !closed) {
    ::unlink(temporary.c_str());
    return io_error(temporary, "cannot write", written ? errno : write_errno);
  }
  if (::rename(temporary.c_str(), (folder / name).c_str()) != 0) {
    const int rename_errno = errno;
    ::unlink(temporary.c_str());
    return io_error(folder / name, "cannot replace", rename_errno);
  }
  return {};
}

Status remove_from_cache(const std::string& prefix) {
  const auto folder = cache_folder();
  std::error_code code;
  if (folder.empty() || !std::filesystem::is_directory(folder, code)) return {};
  std::filesystem::directory_iterator entry(folder, code), end;
  while (!code && entry != end) {
    const std::string name = entry->path().filename().string();
    std::error_code removed;
    if (name.starts_with(prefix) && name.ends_with(".json")) std::filesystem::remove(entry->path(), removed);
    if (removed) return io_error(entry->path(), "cannot remove", removed.value());
    entry.increment(code);
  }
  if (code) return io_error(folder, "cannot read the folder", code.value());
  return {};
}

}  // namespace siskin
