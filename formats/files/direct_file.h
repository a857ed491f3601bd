// DirectFile: positioned reads that leave nothing in the system's page cache, for data that this process keeps itself. It owns a
// descriptor, not a mapping: a file that is cut short while it is read gives an error.
#pragma once

#include <siskin/result.h>

#include <cstddef>
#include <string>

namespace siskin {

class DirectFile {
 public:
  // Offsets, lengths and addresses are multiples of this: what direct io of Linux file systems asks for at most.
  static constexpr size_t kAlignment = 4096;

  // The open file `descriptor` again, whatever its name means by now. Reads are direct where the file system has that; elsewhere they
  // go through the page cache and the pages are given back after each.
  static Result<DirectFile> reopen(int descriptor, std::string name);

  DirectFile(DirectFile&& other) noexcept;
  DirectFile& operator=(DirectFile&&) = delete;
  ~DirectFile();

  const std::string& name() const { return name_; }
  size_t size() const { return size_; }  // when it was opened
  bool is_direct() const { return direct_; }

  // Reads [offset, offset + n), or what of it lies before size(). From any thread. Errors: io, corrupt_file where the file is shorter
  // than it was. REQUIRES: offset, n and `out` are multiples of kAlignment; offset < size().
  Status read(size_t offset, size_t n, std::byte* out) const;

  // Gives back what the page cache holds of the whole file.
  void drop_cache() const;

 private:
  DirectFile() = default;

  std::string name_;
  int descriptor_ = -1;
  size_t size_ = 0;
  bool direct_ = false;
};

}  // namespace siskin
