// byte_text: how byte-level BPE writes bytes in its files. Printable Latin-1 characters stand for their own byte, the other 68
// bytes are written U+0100 to U+0143 in order (a space is U+0120). Source: bytes_to_unicode in GPT-2's encoder.py.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace siskin {

// Nothing: a character of `written` stands for no byte.
std::optional<std::string> bytes_of_written(std::string_view written);
std::string written_of_bytes(std::string_view bytes);

}  // namespace siskin
