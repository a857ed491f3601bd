// Safetensors bytes with a header written out by hand.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

namespace siskin::testing {

inline std::string safetensors_bytes(const std::string& header, size_t data_bytes) {
  const uint64_t length = header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + header + std::string(data_bytes, '\1');
}

}  // namespace siskin::testing
