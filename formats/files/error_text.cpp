#include "formats/files/error_text.h"

#include <cerrno>
#include <system_error>

namespace siskin {
namespace {

constexpr size_t kQuotedBytes = 80;  // more of a name does not help its reader

std::string at(const std::string& file, size_t offset, const std::string& what) {
  return file + ": byte " + std::to_string(offset) + ": " + what;
}

}  // namespace

std::string in_quotes(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "'";
  for (const char c : text.substr(0, kQuotedBytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out + (text.size() > kQuotedBytes ? "...'" : "'");
}

Error corrupt_at(const std::string& file, size_t offset, const std::string& what) {
  return {ErrorCode::corrupt_file, at(file, offset, what)};
}

Error unsupported_at(const std::string& file, size_t offset, const std::string& what) {
  return {ErrorCode::unsupported, at(file, offset, what)};
}

Error corrupt_file(const std::string& file, const std::string& what) { return {ErrorCode::corrupt_file, file + ": " + what}; }

Error unsupported_file(const std::string& file, const std::string& what) {
  return {ErrorCode::unsupported, file + ": " + what};
}

Error system_error(const std::string& path, const std::string& action, int error_number) {
  const ErrorCode code = error_number == ENOENT ? ErrorCode::not_found : ErrorCode::io;
  return {code, path + ": " + action + ": " + std::generic_category().message(error_number)};
}

}  // namespace siskin
