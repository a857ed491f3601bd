// The fixed part of a routing trace, which its reader and writer share. FORMATS.md "Routing traces".
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "formats/packed/fnv.h"

namespace siskin {

inline constexpr std::string_view kTraceMagic = "SISKINRT";
inline constexpr uint32_t kTraceVersion = 1;
inline constexpr size_t kMostTraceLayers = 1 << 20;
inline constexpr size_t kMostTraceExperts = 0xffff;

// Little-endian, at offset 0; the model's name, the experts' bytes and the tokens follow.
struct TraceHead {
  char magic[8];
  uint32_t version;
  uint32_t n_layers;
  uint32_t n_experts;
  uint32_t name_bytes;
  uint64_t identity;
  uint64_t n_tokens;
  uint64_t checksum;  // fnv1a of this struct with checksum = 0, then of all that follows
  uint64_t reserved;  // 0
};
static_assert(sizeof(TraceHead) == 56 && std::is_trivially_copyable_v<TraceHead>);

inline uint64_t trace_checksum(TraceHead head, std::span<const std::byte> rest) {
  head.checksum = 0;
  return fnv1a(rest, fnv1a(std::as_bytes(std::span(&head, 1))));
}

}  // namespace siskin
