// How this folder's errors are worded: "file: byte offset: what", one line, with hostile text made harmless.
#pragma once

#include <siskin/result.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace siskin {

// 'text' in quotes; bytes outside printable ASCII are written \xNN and anything past 80 bytes is cut, so that a name from a
// file can neither break the line nor drive a terminal.
std::string in_quotes(std::string_view text);

Error corrupt_at(const std::string& file, size_t offset, const std::string& what);
Error unsupported_at(const std::string& file, size_t offset, const std::string& what);
Error corrupt_file(const std::string& file, const std::string& what);
Error unsupported_file(const std::string& file, const std::string& what);
// "path: cannot open: No such file or directory"; not_found for ENOENT, else io.
Error system_error(const std::string& path, const std::string& action, int error_number);

}  // namespace siskin
