// Opens a GGUF model: one file, or the parts NAME-00001-of-00003.gguf that llama.cpp's gguf-split writes.
#include <set>
#include <string>

#include "formats/files/error_text.h"
#include "formats/files/fused_tensors.h"
#include "formats/files/gguf_experts.h"
#include "formats/files/model_parts.h"
#include "formats/gguf.h"
#include "formats/try.h"

namespace siskin {
namespace {

constexpr const char* kSplitKeys[] = {"split.no", "split.count", "split.tensors.count"};
constexpr size_t kMaxParts = 99999;  // five digits in the name

struct Part {
  MappedFile file;
  GgufContents contents;
  uint64_t number = 0;  // from 0
  uint64_t count = 1;
};

Result<uint64_t> split_number(const Part& part, const char* key, uint64_t fallback) {
  auto value = part.contents.metadata.u64_or(key, fallback);
  if (!value) return corrupt_file(part.file.name(), value.error().message);
  return value;
}

Result<Part> open_part(const std::filesystem::path& path) {
  SISKIN_TRY(MappedFile file, MappedFile::open(path));
  SISKIN_TRY(GgufContents contents, parse_gguf(file.bytes(), file.name()));
  Part part{std::move(file), std::move(contents)};
  SISKIN_TRY(part.number, split_number(part, "split.no", 0));
  SISKIN_TRY(part.count, split_number(part, "split.count", 1));
  if (part.count == 0) part.count = 1;  // llama.cpp reads 0 as "not split"
  if (part.count > kMaxParts || part.number >= part.count) {
    return corrupt_file(part.file.name(), "split.no " + std::to_string(part.number) + " of split.count " +
                                              std::to_string(part.count) +
                                              ", expected a number below a count of at most 99999");
  }
  return part;
}

std::string five_digits(uint64_t value) {
  const std::string digits = std::to_string(value);
  return std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits;
}

std::string part_suffix(uint64_t number, uint64_t count) {
  return "-" + five_digits(number + 1) + "-of-" + five_digits(count) + ".gguf";
}

// The path up to "-00001-of-00003.gguf".
Result<std::string> part_prefix(const std::filesystem::path& path, const Part& part) {
  const std::string text = path.string();
  const std::string suffix = part_suffix(part.number, part.count);
  if (!text.ends_with(suffix)) {
    return corrupt_file(part.file.name(), "part " + std::to_string(part.number + 1) + " of a model in " +
                                              std::to_string(part.count) + " parts, expected a name that ends in " + suffix);
  }
  return text.substr(0, text.size() - suffix.size());
}

Result<Part> open_named_part(const std::string& prefix, uint64_t number, uint64_t count) {
  const std::string path = prefix + part_suffix(number, count);
  auto opened = open_part(path);
  if (!opened) {
    if (opened.error().code != ErrorCode::not_found) return std::move(opened).error();
    return Error{ErrorCode::not_found,
                 path + ": part " + std::to_string(number + 1) + " of " + std::to_string(count) + " is missing"};
  }
  if (opened->number != number || opened->count != count) {
    return corrupt_file(path, "says it is part " + std::to_string(opened->number + 1) + " of " + std::to_string(opened->count) +
                                  ", expected part " + std::to_string(number + 1) + " of " + std::to_string(count));
  }
  return opened;
}

// The first part carries the model's metadata; the others' only says which part they are.
Metadata without_split_keys(const Metadata& metadata) {
  Metadata kept;
  for (const auto& [key, value] : metadata.all()) {
    bool is_split_key = false;
    for (const char* split_key : kSplitKeys) is_split_key = is_split_key || key == split_key;
    if (!is_split_key) kept.set(key, value);
  }
  return kept;
}

Result<ModelParts> join(std::vector<Part> parts) {
  ModelParts model;
  const std::string first = parts[0].file.name();
  SISKIN_TRY(const uint64_t expected, split_number(parts[0], "split.tensors.count", UINT64_MAX));
  model.metadata = without_split_keys(parts[0].contents.metadata);
  std::set<std::string> names;
  for (Part& part : parts) {
    for (TensorView& tensor : part.contents.tensors) {
      if (!names.insert(tensor.name).second) {
        return corrupt_file(part.file.name(), "tensor " + in_quotes(tensor.name) + " is also in an earlier part");
      }
      model.tensors.push_back(std::move(tensor));
    }
    model.files.push_back(std::move(part.file));
  }
  if (expected != UINT64_MAX && expected != model.tensors.size()) {
    return corrupt_file(first, "split.tensors.count is " + std::to_string(expected) + ", but the parts hold " +
                                   std::to_string(model.tensors.size()) + " tensors");
  }
  SISKIN_TRY(model.tensors, gather_single_experts(std::move(model.tensors), first));
  SISKIN_TRY(model.tensors, split_fused(std::move(model.tensors), model.metadata, first));
  return model;
}

}  // namespace

Result<ModelParts> open_gguf(const std::filesystem::path& path) {
  SISKIN_TRY(Part named, open_part(path));
  std::vector<Part> parts;
  if (named.count == 1) {
    parts.push_back(std::move(named));
    return join(std::move(parts));
  }
  SISKIN_TRY(const std::string prefix, part_prefix(path, named));
  for (uint64_t number = 0; number < named.count; ++number) {
    SISKIN_TRY(Part part, open_named_part(prefix, number, named.count));
    parts.push_back(std::move(part));
  }
  return join(std::move(parts));
}

}  // namespace siskin
