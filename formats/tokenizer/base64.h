// decode_base64: RFC 4648 section 4, strict about letters, lenient about missing padding.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace siskin {

// Nothing if a character is none of the alphabet's or the length cannot be.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace siskin
