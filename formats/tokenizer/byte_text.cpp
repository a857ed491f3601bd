#include "formats/tokenizer/byte_text.h"

namespace siskin {
namespace {

constexpr unsigned kFirstMoved = 0x100;

constexpr bool stands_for_itself(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xFF && byte != 0xAD);
}

// How many bytes below `byte` are moved.
constexpr unsigned moved_before(unsigned byte) {
  unsigned moved = 0;
  for (unsigned b = 0; b < byte; ++b) moved += stands_for_itself(b) ? 0 : 1;
  return moved;
}

int moved_byte(unsigned code) {
  for (unsigned byte = 0; byte < 256; ++byte) {
    if (!stands_for_itself(byte) && kFirstMoved + moved_before(byte) == code) return static_cast<int>(byte);
  }
  return -1;
}

struct Table {
  unsigned code[256];                         // of each byte
  int byte[kFirstMoved + moved_before(256)];  // of each code, or -1

  Table() {
    for (unsigned c = 0; c < std::size(byte); ++c)
      byte[c] = c < kFirstMoved ? (stands_for_itself(c) ? int(c) : -1) : moved_byte(c);
    for (unsigned b = 0; b < 256; ++b) code[b] = stands_for_itself(b) ? b : kFirstMoved + moved_before(b);
  }
};

const Table& table() {
  static const Table made;
  return made;
}

}  // namespace

std::optional<std::string> bytes_of_written(std::string_view written) {
  std::string bytes;
  bytes.reserve(written.size());
  for (size_t i = 0; i < written.size(); ++i) {
    const auto unit = static_cast<unsigned char>(written[i]);
    unsigned code = unit;
    if (unit >= 0x80) {  // no character of the table takes more than two
      if (unit < 0xC2 || unit > 0xDF || i + 1 == written.size()) return std::nullopt;
      const auto next = static_cast<unsigned char>(written[++i]);
      if ((next & 0xC0U) != 0x80) return std::nullopt;
      code = (unit & 0x1FU) << 6 | (next & 0x3FU);
    }
    if (code >= std::size(table().byte) || table().byte[code] < 0) return std::nullopt;
    bytes += static_cast<char>(table().byte[code]);
  }
  return bytes;
}

std::string written_of_bytes(std::string_view bytes) {
  std::string written;
  written.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const unsigned code = table().code[static_cast<unsigned char>(c)];
    if (code < 0x80) {
      written += static_cast<char>(code);
    } else {
      written += static_cast<char>(0xC0U | code >> 6);
      written += static_cast<char>(0x80U | (code & 0x3FU));
    }
  }
  return written;
}

}  // namespace siskin
