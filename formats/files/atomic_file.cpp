#include "formats/files/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <random>
#include <utility>

#include "formats/files/error_text.h"
#include "formats/try.h"

namespace siskin {
namespace {

constexpr int kNameAttempts = 100;
// Written in blocks at multiples of their size, so that the page cache holds the file in pages as large as it has: a packed file is
// then mapped in huge pages.
constexpr size_t kWriteBytes = size_t{8} << 20;

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

std::filesystem::path temporary_beside(const std::filesystem::path& target, unsigned salt) {
  return folder_of(target) / ("." + target.filename().string().substr(0, 200) + ".tmp-" + std::to_string(salt));
}

}  // namespace

Result<AtomicFile> AtomicFile::create(const std::filesystem::path& target, size_t expected_bytes) {
  if (!target.has_filename()) return Error{ErrorCode::invalid_argument, target.string() + ": expected a file name"};
  std::random_device random;
  AtomicFile file;
  file.target_ = target;
  for (int attempt = 0; attempt < kNameAttempts && file.descriptor_ < 0; ++attempt) {
    file.temporary_ = temporary_beside(target, random());
    // 0666 less the umask: the finished file gets the mode that any other new file would have.
    file.descriptor_ = open(file.temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file.descriptor_ < 0 && errno != EEXIST) return system_error(target.string(), "cannot create a file beside it", errno);
  }
  if (file.descriptor_ < 0) return system_error(target.string(), "cannot create a file beside it", EEXIST);
  // Not every file system can reserve; one that cannot says so and the writes find out.
  if (expected_bytes > 0 && fallocate(file.descriptor_, 0, 0, static_cast<off_t>(expected_bytes)) != 0 &&
      (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)) {
    return system_error(target.string(), "cannot write its " + std::to_string(expected_bytes) + " bytes", errno);
  }
  return file;
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : target_(std::move(other.target_)),
      temporary_(std::move(other.temporary_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      pending_(std::move(other.pending_)) {}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  close(descriptor_);
  unlink(temporary_.c_str());
}

Status AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const size_t n = std::min(bytes.size(), kWriteBytes - pending_.size());
    pending_.insert(pending_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n));
    bytes = bytes.subspan(n);
    if (pending_.size() == kWriteBytes) SISKIN_TRY_STATUS(flush());
  }
  return {};
}

Status AtomicFile::flush() {
  std::span<const std::byte> bytes(pending_);
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_error(target_.string(), "cannot write", errno);
    if (written == 0) return system_error(target_.string(), "cannot write", ENOSPC);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  pending_.clear();
  return {};
}

Status AtomicFile::commit() {
  SISKIN_TRY_STATUS(flush());
  if (fsync(descriptor_) != 0) return system_error(target_.string(), "cannot sync", errno);
  if (rename(temporary_.c_str(), target_.c_str()) != 0) return system_error(target_.string(), "cannot rename to it", errno);
  close(std::exchange(descriptor_, -1));
  // The rename is safe from a power cut only once the folder itself is on disk.
  const int folder = open(folder_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return system_error(target_.string(), "cannot open its folder to sync it", errno);
  const int failure = fsync(folder) == 0 ? 0 : errno;
  close(folder);
  // Some network file systems cannot sync folders and answer EINVAL; the file itself is synced.
  if (failure != 0 && failure != EINVAL) return system_error(target_.string(), "cannot sync its folder", failure);
  return {};
}

}  // namespace siskin
