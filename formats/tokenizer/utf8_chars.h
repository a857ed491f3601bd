// utf8_char_bytes: how many bytes the character at the front of a text takes. It does not decode.
#pragma once

#include <cstddef>
#include <string_view>

namespace siskin {

// Length of the well-formed UTF-8 sequence (Unicode table 3-7) that `text` starts with; 1 if it starts with none, so that a
// stray byte is a character of its own and nothing is lost. REQUIRES: text is not empty.
inline size_t utf8_char_bytes(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  const unsigned lead = byte(0);
  if (lead >= 0xC2 && lead <= 0xDF) return continues(1) ? 2 : 1;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const bool second = continues(1, lead == 0xE0 ? 0xA0 : 0x80, lead == 0xED ? 0x9F : 0xBF);
    return second && continues(2) ? 3 : 1;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const bool second = continues(1, lead == 0xF0 ? 0x90 : 0x80, lead == 0xF4 ? 0x8F : 0xBF);
    return second && continues(2) && continues(3) ? 4 : 1;
  }
  return 1;
}

}  // namespace siskin
