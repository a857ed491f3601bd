// The fixed part of a packed file, which its reader and writer share. FORMATS.md "Packed files".
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <set>
#include <span>
#include <string_view>
#include <type_traits>

#include "formats/dtype.h"
#include "formats/packed/fingerprint.h"
#include "formats/packed/fnv.h"

namespace siskin {

inline constexpr std::string_view kPackedMagic = "SISKINPK";
inline constexpr uint32_t kPackedVersion = 1;
inline constexpr size_t kPackedDataAlignment = size_t{2} << 20;  // a huge page of x86 and of most arm kernels
inline constexpr size_t kPackedTensorAlignment = 4096;
inline constexpr uint32_t kPackedHalfSplit = 1;  // flag: rope turns the halves of a head against each other

// Little-endian, at offset 0; the GGUF header follows.
struct PackedHead {
  char magic[8];
  uint32_t version;
  uint32_t flags;
  uint64_t header_bytes;  // of the GGUF header
  uint64_t data_start;
  uint64_t data_bytes;
  uint64_t layouts;   // layouts_fingerprint() of the tensors
  uint64_t checksum;  // fnv1a of this struct with checksum = 0, then of the GGUF header
  uint64_t reserved;  // 0
};
static_assert(sizeof(PackedHead) == 64 && std::is_trivially_copyable_v<PackedHead>);

inline uint64_t packed_checksum(PackedHead head, std::span<const std::byte> gguf_header) {
  head.checksum = 0;
  return fnv1a(gguf_header, fnv1a(std::as_bytes(std::span(&head, 1))));
}

// Of the layouts that these types have in this build.
inline uint64_t layouts_fingerprint(const std::set<DType>& types) {
  uint64_t state = kFnvStart;
  for (const DType type : types) {
    const uint64_t of_type[] = {static_cast<uint64_t>(type), layout_fingerprint(type)};
    state = fnv1a(std::as_bytes(std::span(of_type)), state);
  }
  return state;
}

}  // namespace siskin
