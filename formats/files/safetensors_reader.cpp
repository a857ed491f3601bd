// Parses the header of one safetensors file, and the index of a sharded one.
#include <algorithm>
#include <cstring>

#include "formats/checked_math.h"
#include "formats/files/checked_json.h"
#include "formats/files/error_text.h"
#include "formats/files/safetensors_types.h"
#include "formats/safetensors.h"
#include "formats/try.h"

namespace siskin {
namespace {

using nlohmann::json;

constexpr size_t kLengthBytes = 8;
constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the limit of the format's own library

Result<std::map<std::string, std::string>> string_map(const json& object, const std::string& file, const char* what) {
  if (!object.is_object()) return corrupt_file(file, std::string(what) + " is not an object");
  std::map<std::string, std::string> strings;
  for (const auto& [key, value] : object.items()) {
    if (!value.is_string()) return corrupt_file(file, std::string(what) + ": " + in_quotes(key) + " is not a string");
    strings[key] = value.get<std::string>();
  }
  return strings;
}

Result<size_t> header_bytes(std::span<const std::byte> bytes, const std::string& file) {
  if (bytes.size() < kLengthBytes) {
    return corrupt_at(file, 0,
                      "the file ends inside the header's length: expected 8 bytes, got " + std::to_string(bytes.size()));
  }
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  const size_t left = bytes.size() - kLengthBytes;
  if (length > kMaxHeaderBytes || length > left) {
    return corrupt_at(file, 0,
                      "a header of " + std::to_string(length) + " bytes, expected at most " +
                          std::to_string(std::min<uint64_t>(kMaxHeaderBytes, left)));
  }
  if (length < 2 || bytes[kLengthBytes] != std::byte{'{'}) {
    return corrupt_at(file, kLengthBytes, "not a safetensors file: the header does not begin with '{'");
  }
  return static_cast<size_t>(length);
}

Result<Shape> read_shape(const json& tensor, const std::string& where) {
  const auto found = tensor.find("shape");
  if (found == tensor.end() || !found->is_array()) return corrupt_file(where, "no array 'shape'");
  Shape shape;
  for (const json& dim : *found) {
    if (!dim.is_number_unsigned()) return corrupt_file(where, "a dimension is not a non-negative integer");
    shape.push_back(dim.get<size_t>());
  }
  return shape;
}

Result<std::pair<size_t, size_t>> read_range(const json& tensor, const std::string& where) {
  const auto found = tensor.find("data_offsets");
  if (found == tensor.end() || !found->is_array() || found->size() != 2) {
    return corrupt_file(where, "no pair 'data_offsets'");
  }
  if (!(*found)[0].is_number_unsigned() || !(*found)[1].is_number_unsigned()) {
    return corrupt_file(where, "data_offsets are not non-negative integers");
  }
  return std::pair{(*found)[0].get<size_t>(), (*found)[1].get<size_t>()};
}

Result<SafetensorsEntry> read_entry(const std::string& name, const json& tensor, const std::string& file) {
  const std::string where = file + ": " + in_quotes(name);
  if (!tensor.is_object()) return corrupt_file(where, "expected an object");
  SafetensorsEntry entry;
  entry.name = name;
  const auto dtype = tensor.find("dtype");
  if (dtype == tensor.end() || !dtype->is_string()) return corrupt_file(where, "no string 'dtype'");
  entry.dtype = dtype->get<std::string>();
  const SafetensorsType* type = find_safetensors_type(entry.dtype);
  if (type == nullptr) return unsupported_file(where, "unknown dtype " + in_quotes(entry.dtype));
  entry.type = type->type;
  SISKIN_TRY(entry.shape, read_shape(tensor, where));
  SISKIN_TRY(const auto range, read_range(tensor, where));
  entry.begin = range.first;
  entry.end = range.second;

  std::optional<size_t> expected = type->bytes;
  for (const size_t dim : entry.shape) expected = expected ? checked_mul(*expected, dim) : std::nullopt;
  if (!expected) return corrupt_file(where, "shape " + shape_text(entry.shape) + ": more bytes than 64 bits can count");
  if (entry.end < entry.begin || entry.end - entry.begin != *expected) {
    return corrupt_file(where, "data_offsets [" + std::to_string(entry.begin) + ", " + std::to_string(entry.end) +
                                   "], expected " + std::to_string(*expected) + " bytes for " + entry.dtype + " " +
                                   shape_text(entry.shape));
  }
  return entry;
}

// The bytes must be used up exactly: a gap could hide data, an overlap would let one tensor change with another.
Status check_coverage(std::vector<SafetensorsEntry>& entries, const std::string& file, size_t data_start, size_t data_bytes) {
  std::sort(entries.begin(), entries.end(), [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  size_t expected = 0;
  for (const SafetensorsEntry& entry : entries) {
    if (entry.end > data_bytes) {
      return corrupt_file(file, in_quotes(entry.name) + ": data_offsets end at " + std::to_string(entry.end) +
                                    ", expected within the file's " + std::to_string(data_bytes) + " data bytes");
    }
    if (entry.begin != expected) {
      return corrupt_at(
          file, data_start + entry.begin,
          in_quotes(entry.name) + (entry.begin < expected ? ": overlaps the tensor before it" : ": a hole before it") +
              ": begins at data offset " + std::to_string(entry.begin) + ", expected " + std::to_string(expected));
    }
    expected = entry.end;
  }
  if (expected == data_bytes) return {};
  return corrupt_at(file, data_start + expected, std::to_string(data_bytes - expected) + " bytes belong to no tensor");
}

}  // namespace

Result<SafetensorsContents> parse_safetensors(std::span<const std::byte> bytes, const std::string& name) {
  SISKIN_TRY(const size_t length, header_bytes(bytes, name));
  SISKIN_TRY(const json header, parse_json_object(bytes.subspan(kLengthBytes, length), name, kLengthBytes));
  SafetensorsContents contents;
  for (const auto& [key, value] : header.items()) {
    if (key == "__metadata__") {
      SISKIN_TRY(contents.metadata, string_map(value, name, "__metadata__"));
      continue;
    }
    SISKIN_TRY(SafetensorsEntry entry, read_entry(key, value, name));
    contents.tensors.push_back(std::move(entry));
  }
  const size_t data_start = kLengthBytes + length;
  SISKIN_TRY_STATUS(check_coverage(contents.tensors, name, data_start, bytes.size() - data_start));
  for (SafetensorsEntry& entry : contents.tensors) {
    entry.begin += data_start;
    entry.end += data_start;
  }
  return contents;
}

Result<std::map<std::string, std::string>> parse_safetensors_index(std::span<const std::byte> bytes, const std::string& name) {
  SISKIN_TRY(const json index, parse_json_object(bytes, name));
  const auto found = index.find("weight_map");
  if (found == index.end()) return corrupt_file(name, "no object 'weight_map'");
  SISKIN_TRY(auto shards, string_map(*found, name, "weight_map"));
  if (shards.empty()) return corrupt_file(name, "weight_map is empty");
  for (const auto& [tensor, shard] : shards) {
    const bool plain = shard.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos && shard != "." && shard != "..";
    if (!plain || shard.size() > 255 || !shard.ends_with(".safetensors")) {
      return corrupt_file(name, "weight_map: " + in_quotes(tensor) + " is in " + in_quotes(shard) +
                                    ", expected the plain name of a .safetensors file");
    }
  }
  return shards;
}

}  // namespace siskin
