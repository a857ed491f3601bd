#include "formats/files/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <functional>
#include <utility>

#include "formats/files/error_text.h"

namespace siskin {

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
  MappedFile file;
  file.name_ = path.string();
  // O_NONBLOCK: opening a pipe must not wait for a writer.
  file.descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file.descriptor_ < 0) return system_error(file.name_, "cannot open", errno);
  struct stat status {};
  if (fstat(file.descriptor_, &status) != 0) return system_error(file.name_, "cannot read its size", errno);
  if (!S_ISREG(status.st_mode)) return Error{ErrorCode::invalid_argument, file.name_ + ": not a regular file"};
  if (status.st_size <= 0) return corrupt_file(file.name_, "the file is empty");
  const auto size = static_cast<size_t>(status.st_size);
  void* address = mmap(nullptr, size, PROT_READ, MAP_SHARED, file.descriptor_, 0);
  if (address == MAP_FAILED) return system_error(file.name_, "cannot map", errno);
  file.data_ = static_cast<const std::byte*>(address);
  file.size_ = size;
  return file;
}

MappedFile::MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  if (this == &other) return *this;
  close();
  name_ = std::move(other.name_);
  descriptor_ = std::exchange(other.descriptor_, -1);
  data_ = std::exchange(other.data_, nullptr);
  size_ = std::exchange(other.size_, 0);
  return *this;
}

MappedFile::~MappedFile() { close(); }

void MappedFile::close() {
  if (data_ != nullptr) munmap(const_cast<std::byte*>(data_), size_);
  if (descriptor_ >= 0) ::close(descriptor_);
  data_ = nullptr;
  size_ = 0;
  descriptor_ = -1;
}

bool MappedFile::contains(const std::byte* address) const {
  return !std::less<>()(address, data_) && std::less<>()(address, data_ + size_);
}

void MappedFile::release(const std::byte* begin, size_t n) const {
  // Inwards: the first and last page may hold a neighbour that is still to be read.
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto first = (reinterpret_cast<uintptr_t>(begin) + page - 1) / page * page;
  const auto last = (reinterpret_cast<uintptr_t>(begin) + n) / page * page;
  // Only a hint: where the kernel refuses it, the pages stay until it needs the memory.
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

void MappedFile::keep() const {
  // Hints, both: without them everything is right, and slower.
  auto* begin = const_cast<std::byte*>(data_);
  madvise(begin, size_, MADV_HUGEPAGE);
  madvise(begin, size_, MADV_WILLNEED);
}

}  // namespace siskin
