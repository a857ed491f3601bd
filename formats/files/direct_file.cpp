#include "formats/files/direct_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <utility>

#include "formats/check.h"
#include "formats/files/error_text.h"

namespace siskin {
namespace {

// Some file systems take the flag and refuse the reads.
bool reads_directly(int descriptor) {
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  const std::unique_ptr<void, Free> page(std::aligned_alloc(DirectFile::kAlignment, DirectFile::kAlignment));
  return page != nullptr && pread(descriptor, page.get(), DirectFile::kAlignment, 0) > 0;
}

}  // namespace

Result<DirectFile> DirectFile::reopen(int descriptor, std::string name) {
  DirectFile file;
  file.name_ = std::move(name);
  struct stat status {};
  if (fstat(descriptor, &status) != 0) return system_error(file.name_, "cannot read its size", errno);
  file.size_ = static_cast<size_t>(status.st_size);
#if defined(O_DIRECT)
  const std::string path = "/proc/self/fd/" + std::to_string(descriptor);
  file.descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT);
  if (file.descriptor_ >= 0) {
    file.direct_ = reads_directly(file.descriptor_);
    if (file.direct_) return file;
    ::close(file.descriptor_);
  }
#endif
  file.descriptor_ = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (file.descriptor_ < 0) return system_error(file.name_, "cannot open", errno);
  return file;
}

DirectFile::DirectFile(DirectFile&& other) noexcept
    : name_(std::move(other.name_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_),
      direct_(other.direct_) {}

DirectFile::~DirectFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Status DirectFile::read(size_t offset, size_t n, std::byte* out) const {
  SISKIN_CHECK(offset < size_ && offset % kAlignment == 0 && n % kAlignment == 0);
  const size_t wanted = std::min(n, size_ - offset);
  size_t done = 0;
  while (done < wanted) {
    const ssize_t got = pread(descriptor_, out + done, n - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error(name_, "cannot read " + std::to_string(n) + " bytes at " + std::to_string(offset), errno);
    // A direct read that ends inside a block has met the end of the file.
    if (got == 0 || (direct_ && static_cast<size_t>(got) % kAlignment != 0 && done + static_cast<size_t>(got) < wanted)) {
      return corrupt_at(name_, offset + done + static_cast<size_t>(got),
                        "the file ends here and had " + std::to_string(size_) + " bytes: it was cut short while in use");
    }
    done += static_cast<size_t>(got);
  }
  if (!direct_) posix_fadvise(descriptor_, static_cast<off_t>(offset), static_cast<off_t>(n), POSIX_FADV_DONTNEED);
  return {};
}

void DirectFile::drop_cache() const {
  // A hint: pages that another process maps stay.
  posix_fadvise(descriptor_, 0, 0, POSIX_FADV_DONTNEED);
}

}  // namespace siskin
