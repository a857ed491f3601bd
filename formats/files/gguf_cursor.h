// GgufCursor: reads little-endian numbers and length-prefixed strings from bounded bytes; every read is checked first.
#pragma once

#include <siskin/result.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "formats/files/error_text.h"

namespace siskin {

static_assert(std::endian::native == std::endian::little, "files are little-endian and are read in place");

class GgufCursor {
 public:
  GgufCursor(std::span<const std::byte> bytes, const std::string& file) : bytes_(bytes), file_(file) {}

  size_t offset() const { return offset_; }
  size_t left() const { return bytes_.size() - offset_; }
  const std::string& file() const { return file_; }
  // Version 1 wrote lengths, counts and dimensions as 32-bit numbers.
  void set_short_lengths(bool is_short) { short_lengths_ = is_short; }
  size_t length_bytes() const { return short_lengths_ ? 4 : 8; }

  template <class T>
  Result<T> number(const char* what) {
    if (left() < sizeof(T)) return truncated(what, sizeof(T));
    T value;
    std::memcpy(&value, bytes_.data() + offset_, sizeof(T));
    offset_ += sizeof(T);
    return value;
  }

  Result<uint64_t> length(const char* what) {
    if (!short_lengths_) return number<uint64_t>(what);
    auto value = number<uint32_t>(what);
    if (!value) return std::move(value).error();
    return uint64_t{*value};
  }

  // The view points into the bytes.
  Result<std::string_view> string(const char* what) {
    const size_t start = offset_;
    auto size = length(what);
    if (!size) return std::move(size).error();
    if (*size > left()) {
      return corrupt_at(file_, start,
                        std::string(what) + " is " + std::to_string(*size) + " bytes long, expected at most the " +
                            std::to_string(left()) + " bytes that are left");
    }
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()) + offset_, static_cast<size_t>(*size));
    offset_ += text.size();
    return text;
  }

 private:
  Error truncated(const char* what, size_t wanted) const {
    return corrupt_at(file_, offset_,
                      std::string("the file ends inside ") + what + ": expected " + std::to_string(wanted) + " bytes, got " +
                          std::to_string(left()));
  }

  std::span<const std::byte> bytes_;
  const std::string& file_;
  size_t offset_ = 0;
  bool short_lengths_ = false;
};

}  // namespace siskin
