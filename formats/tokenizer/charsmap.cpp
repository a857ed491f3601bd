// Charsmap: walks the double array with every index checked, since the array comes from a file.
// Source: SentencePiece normalizer.cc (DecodePrecompiledCharsMap, NormalizePrefix); darts-clone's unit layout.
#include "formats/tokenizer/charsmap.h"

#include "formats/tokenizer/utf8_chars.h"

namespace siskin {
namespace {

uint32_t little_endian_u32(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

// A unit: bits 0-7 the label (with bit 31 clear), bit 8 "has a value", bit 9 the scale of the offset in bits 10-30.
bool has_value(uint32_t unit) { return (unit >> 8 & 1U) != 0; }
uint32_t offset(uint32_t unit) { return (unit >> 10) << ((unit & (1U << 9)) >> 6); }
uint32_t label(uint32_t unit) { return unit & (1U << 31 | 0xFFU); }
uint32_t value(uint32_t unit) { return unit & ((1U << 31) - 1); }

}  // namespace

Result<Charsmap> Charsmap::parse(std::string_view blob) {
  const Error corrupt{ErrorCode::corrupt_file, "tokenizer: the precompiled character map is cut short"};
  if (blob.size() < 4) return corrupt;
  const size_t trie_bytes = little_endian_u32(blob, 0);
  if (trie_bytes > blob.size() - 4 || trie_bytes % 4 != 0 || trie_bytes == 0) return corrupt;
  Charsmap map;
  map.units_.reserve(trie_bytes / 4);
  for (size_t at = 4; at < 4 + trie_bytes; at += 4) map.units_.push_back(little_endian_u32(blob, at));
  map.replacements_ = blob.substr(4 + trie_bytes);
  if (map.replacements_.empty() || map.replacements_.back() != '\0') return corrupt;
  return map;
}

Charsmap::Match Charsmap::longest_match(std::string_view text) const {
  Match match;
  uint32_t node = offset(units_[0]);
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    node ^= byte;
    if (node >= units_.size() || label(units_[node]) != byte) break;
    const uint32_t unit = units_[node];
    node ^= offset(unit);
    if (node >= units_.size()) break;
    if (has_value(unit) && value(units_[node]) < replacements_.size()) match = {i + 1, value(units_[node])};
  }
  return match;
}

std::string Charsmap::apply(std::string_view text) const {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Match match = longest_match(text);
    if (match.bytes > 0) {
      out += replacements_.c_str() + match.replacement;
      text.remove_prefix(match.bytes);
      continue;
    }
    const size_t bytes = utf8_char_bytes(text);
    const bool stray = bytes == 1 && static_cast<unsigned char>(text[0]) >= 0x80;
    out += stray ? std::string_view("\xEF\xBF\xBD") : text.substr(0, bytes);
    text.remove_prefix(bytes);
  }
  return out;
}

}  // namespace siskin
