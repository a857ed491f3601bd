// What the tests of model files share: a folder that cleans up, whole files as bytes, and GGUF bytes built by hand, right or
// wrong.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf.h"
#include "tests/places.h"

namespace siskin::testing {

class TempFolder {
 public:
  explicit TempFolder(const std::filesystem::path& base = std::filesystem::temp_directory_path()) {
    std::string pattern = (base / "siskin-files-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }
  size_t entries() const {
    return static_cast<size_t>(
        std::distance(std::filesystem::directory_iterator(path_), std::filesystem::directory_iterator()));
  }

 private:
  std::filesystem::path path_;
};

inline void write_file(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream out(path, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!out.flush()) std::abort();
}

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline std::span<const std::byte> as_bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

// The folder with models/ and data/; empty where this machine has none, and the test prints that it is skipped.
inline std::filesystem::path test_data() {
  const std::filesystem::path folder = places::test_data();
  return std::filesystem::exists(folder / "models") ? folder : std::filesystem::path();
}

// GGUF bytes, field by field. Every number can be a lie.
class GgufBytes {
 public:
  explicit GgufBytes(uint32_t version = 3) : version_(version) {}

  template <class T>
  GgufBytes& number(T value) {
    out_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  GgufBytes& length(uint64_t value) { return version_ == 1 ? number(static_cast<uint32_t>(value)) : number(value); }
  GgufBytes& string(std::string_view text) {
    length(text.size());
    out_.append(text);
    return *this;
  }
  GgufBytes& header(uint64_t n_tensors, uint64_t n_pairs) {
    out_.append("GGUF");
    return number(version_).length(n_tensors).length(n_pairs);
  }
  GgufBytes& key(std::string_view name, uint32_t type) { return string(name).number(type); }
  GgufBytes& text_pair(std::string_view name, std::string_view value) { return key(name, 8).string(value); }
  GgufBytes& u32_pair(std::string_view name, uint32_t value) { return key(name, 4).number(value); }
  GgufBytes& array(std::string_view name, uint32_t element, uint64_t count) {
    return key(name, 9).number(element).length(count);
  }
  // Dimensions innermost first, as in the file.
  GgufBytes& tensor(std::string_view name, std::vector<uint64_t> dims, uint32_t type, uint64_t offset) {
    string(name).number(static_cast<uint32_t>(dims.size()));
    for (const uint64_t dim : dims) length(dim);
    return number(type).number(offset);
  }
  GgufBytes& pad(size_t alignment = 32) {
    out_.resize((out_.size() + alignment - 1) / alignment * alignment);
    return *this;
  }
  GgufBytes& zeros(size_t n) {
    out_.append(n, '\0');
    return *this;
  }
  const std::string& str() const { return out_; }

 private:
  uint32_t version_;
  std::string out_;
};

// A source whose bytes are a function of name, slice and position, so that a misplaced byte shows.
inline std::byte pattern_byte(const std::string& name, size_t slice, size_t i) {
  return static_cast<std::byte>(std::hash<std::string>()(name) + slice * 131 + i * 7 + (i >> 8));
}

inline GgufTensorSource pattern_source(const std::string& name, DType type, const Shape& shape, size_t n_slices = 1) {
  GgufTensorSource source;
  source.name = name;
  source.type = type;
  source.shape = shape;
  source.n_slices = n_slices;
  size_t rows = 1;
  for (size_t i = 0; i + 1 < shape.size(); ++i) rows *= shape[i];
  source.slice_bytes = rows * row_bytes(type, shape.back()) / n_slices;
  source.produce = [name](size_t slice, std::span<std::byte> out) -> Status {
    for (size_t i = 0; i < out.size(); ++i) out[i] = pattern_byte(name, slice, i);
    return {};
  };
  return source;
}

}  // namespace siskin::testing
