// FNV-1a, 64 bits: a check sum against damage and mistakes, not against intent. Source: Fowler, Noll and Vo, RFC 9923.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace siskin {

inline constexpr uint64_t kFnvStart = 0xcbf29ce484222325u;

inline uint64_t fnv1a(std::span<const std::byte> bytes, uint64_t state = kFnvStart) {
  for (const std::byte byte : bytes) state = (state ^ static_cast<uint64_t>(byte)) * 0x100000001b3u;
  return state;
}

}  // namespace siskin
