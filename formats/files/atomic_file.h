// AtomicFile: a file that appears whole under its name or not at all. Written beside its target, synced, then renamed.
#pragma once

#include <siskin/result.h>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace siskin {

class AtomicFile {
 public:
  // `expected_bytes` are reserved at once where the file system can, so that a full disk is found before the work.
  static Result<AtomicFile> create(const std::filesystem::path& target, size_t expected_bytes);

  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();  // without commit(): the temporary is removed, the target is as it was

  // Appends. What the file system refuses may show only in a later call, at the latest in commit().
  Status write(std::span<const std::byte> bytes);
  // Syncs the file, gives it its name and syncs the folder.
  Status commit();

 private:
  AtomicFile() = default;
  Status flush();

  std::filesystem::path target_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;
  std::vector<std::byte> pending_;  // appended and not yet written
};

}  // namespace siskin
