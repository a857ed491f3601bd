// The numbers of the GGUF format that its reader and writer share. Source: the GGUF specification; FORMATS.md "GGUF".
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace siskin {

inline constexpr uint32_t kGgufMagic = 0x46554747;         // the bytes "GGUF"
inline constexpr uint32_t kGgufMagicSwapped = 0x47475546;  // "FUGG"
inline constexpr uint32_t kGgufVersion = 3;
inline constexpr size_t kGgufAlignment = 32;            // unless general.alignment says otherwise
inline constexpr size_t kGgufMaxAlignment = 64 * 1024;  // the largest page size in use; more only wastes the file
inline constexpr size_t kGgufMaxKeyBytes = 65535;
inline constexpr size_t kGgufMaxNameBytes = 64;
inline constexpr size_t kGgufMaxDims = 4;

enum class GgufValue : uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };
inline constexpr uint32_t kGgufValues = 13;

// Keys and tensor names are non-empty printable ASCII: anything else is damage, and would reach terminals.
inline bool is_plain_name(std::string_view name) {
  for (const char c : name) {
    if (c < 0x20 || c > 0x7e) return false;
  }
  return !name.empty();
}

}  // namespace siskin
