// The folder that a tool writes a model to: filled beside its target and renamed when it is whole.
#pragma once

#include <siskin/result.h>

#include <cstdint>
#include <filesystem>

namespace siskin {

class OutputFolder {
 public:
  // Errors: invalid_argument where `target` is there and is no empty folder; io.
  static Result<OutputFolder> create(const std::filesystem::path& target);

  OutputFolder(OutputFolder&& other) noexcept;
  OutputFolder& operator=(OutputFolder&&) = delete;
  ~OutputFolder();  // without commit(): nothing is left

  const std::filesystem::path& path() const { return temporary_; }
  // Copies what a model's folder holds beside config.json and weights: tokenizer, templates, licence.
  Status copy_small_files(const std::filesystem::path& from);
  // Gives the folder its name; its bytes.
  Result<uint64_t> commit();

 private:
  OutputFolder() = default;

  std::filesystem::path target_;
  std::filesystem::path temporary_;
};

}  // namespace siskin
