// Writes safetensors files, whole or in shards with their index.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <limits>
#include <set>
#include <system_error>

#include "formats/checked_math.h"
#include "formats/files/atomic_file.h"
#include "formats/files/checked_json.h"
#include "formats/files/error_text.h"
#include "formats/files/safetensors_types.h"
#include "formats/files/tensor_source.h"
#include "formats/safetensors.h"
#include "formats/try.h"

namespace siskin {
namespace {

using nlohmann::json;
using OnBytes = std::function<bool(size_t done, size_t total)>;
using Strings = std::map<std::string, std::string>;
using Sources = std::span<const GgufTensorSource>;

Status check_tensors(Sources tensors, const std::string& file) {
  std::set<std::string_view> names;
  size_t total = 0;
  for (const GgufTensorSource& tensor : tensors) {
    if (tensor.name.empty() || tensor.name == "__metadata__") {
      return Error{ErrorCode::invalid_argument, file + ": " + in_quotes(tensor.name) + " is no tensor name"};
    }
    if (!names.insert(tensor.name).second) {
      return Error{ErrorCode::invalid_argument, file + ": tensor " + in_quotes(tensor.name) + " is given twice"};
    }
    if (find_safetensors_type(tensor.type) == nullptr) {
      return Error{ErrorCode::invalid_argument,
                   file + ": " + in_quotes(tensor.name) + ": safetensors has no type " + dtype_name(tensor.type)};
    }
    SISKIN_TRY_STATUS(check_source_size(tensor, file));
    const auto sum = checked_add(total, source_bytes(tensor));
    if (!sum || *sum > size_t{std::numeric_limits<int64_t>::max()} / 2) {
      return Error{ErrorCode::invalid_argument, file + ": the tensors are larger than a file can be"};
    }
    total = *sum;
  }
  return {};
}

// Length and JSON, padded with spaces so that the data begins at a multiple of 8.
std::string header(const Strings& metadata, Sources tensors) {
  json object = json::object();
  if (!metadata.empty()) object["__metadata__"] = metadata;
  size_t offset = 0;
  for (const GgufTensorSource& tensor : tensors) {
    const size_t end = offset + source_bytes(tensor);
    object[tensor.name] = {
        {"dtype", find_safetensors_type(tensor.type)->name}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = object.dump(-1, ' ', false, json::error_handler_t::replace);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t length = text.size();
  std::string head(sizeof length, '\0');
  std::memcpy(head.data(), &length, sizeof length);
  return head + text;
}

std::string numbered(size_t number, size_t count) {
  char name[64];
  std::snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", number + 1, count);
  return name;
}

// Consecutive tensors of at most `shard_bytes` together.
std::vector<Sources> cut(Sources tensors, size_t shard_bytes) {
  std::vector<Sources> shards;
  size_t begin = 0, bytes = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const size_t size = source_bytes(tensors[i]);
    if (i > begin && (size > shard_bytes || bytes > shard_bytes - size)) {
      shards.push_back(tensors.subspan(begin, i - begin));
      begin = i;
      bytes = 0;
    }
    bytes += size;
  }
  shards.push_back(tensors.subspan(begin));
  return shards;
}

Status write_index(const std::filesystem::path& folder, std::span<const Sources> shards, size_t total) {
  json map = json::object();
  for (size_t i = 0; i < shards.size(); ++i) {
    for (const GgufTensorSource& tensor : shards[i]) map[tensor.name] = numbered(i, shards.size());
  }
  const json index = {{"metadata", {{"total_size", total}}}, {"weight_map", map}};
  const std::string text = index.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
  SISKIN_TRY(AtomicFile file, AtomicFile::create(folder / "model.safetensors.index.json", text.size()));
  SISKIN_TRY_STATUS(file.write(std::as_bytes(std::span(text))));
  return file.commit();
}

}  // namespace

Status write_safetensors(const std::filesystem::path& path, const Strings& metadata, Sources tensors, const OnBytes& on_bytes) {
  const std::string name = path.string();
  SISKIN_TRY_STATUS(check_tensors(tensors, name));
  const std::string head = header(metadata, tensors);
  size_t total = head.size();
  for (const GgufTensorSource& tensor : tensors) total += source_bytes(tensor);
  SISKIN_TRY(AtomicFile file, AtomicFile::create(path, total));
  SISKIN_TRY_STATUS(file.write(std::as_bytes(std::span(head))));
  SISKIN_TRY_STATUS(write_sources(file, name, tensors, 1, {head.size(), total, on_bytes}));
  return file.commit();
}

Status write_safetensors_shards(const std::filesystem::path& folder, const Strings& metadata, Sources tensors,
                                size_t shard_bytes, const OnBytes& on_bytes) {
  SISKIN_TRY_STATUS(check_tensors(tensors, folder.string()));
  size_t total = 0;
  for (const GgufTensorSource& tensor : tensors) total += source_bytes(tensor);
  const std::vector<Sources> shards = cut(tensors, shard_bytes);
  if (shards.size() == 1) return write_safetensors(folder / "model.safetensors", metadata, tensors, on_bytes);
  // Readers prefer the whole file to an index beside it: the shards would be written and never seen.
  std::error_code ignored;
  if (std::filesystem::exists(folder / "model.safetensors", ignored)) {
    return Error{ErrorCode::invalid_argument,
                 folder.string() + ": already holds model.safetensors, which would hide the shards"};
  }
  size_t before = 0;
  for (size_t i = 0; i < shards.size(); ++i) {
    size_t shard_total = 0;
    for (const GgufTensorSource& tensor : shards[i]) shard_total += source_bytes(tensor);
    // The headers' few bytes are left out of the sum over shards.
    const OnBytes on_shard = [&](size_t done, size_t) {
      return !on_bytes || on_bytes(before + std::min(done, shard_total), total);
    };
    SISKIN_TRY_STATUS(write_safetensors(folder / numbered(i, shards.size()), metadata, shards[i], on_shard));
    before += shard_total;
  }
  return write_index(folder, shards, total);
}

}  // namespace siskin
