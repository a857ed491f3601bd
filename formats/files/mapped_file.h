// MappedFile: a whole regular file, mapped read-only. It owns the mapping and the descriptor; views die with it.
#pragma once

#include <siskin/result.h>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "formats/files/direct_file.h"

namespace siskin {

class MappedFile {
 public:
  // Errors: not_found, io, corrupt_file for an empty file. Never waits: a pipe or a device is refused, not read.
  // A file that another process shortens while it is mapped raises SIGBUS on the next read, as for every mapped reader.
  static Result<MappedFile> open(const std::filesystem::path& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& name() const { return name_; }
  bool contains(const std::byte* address) const;
  // Drops the whole pages inside [begin, begin + n) from this process; a later read brings them back from the file.
  // REQUIRES: the range lies in bytes().
  void release(const std::byte* begin, size_t n) const;
  // The same file, to be read without the mapping.
  Result<DirectFile> reopen() const { return DirectFile::reopen(descriptor_, name_); }
  // Asks for the whole file to be read ahead, and for huge pages where the file system's cache has them.
  void keep() const;

 private:
  MappedFile() = default;
  void close();

  std::string name_;
  int descriptor_ = -1;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace siskin
