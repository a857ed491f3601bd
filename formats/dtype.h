// DType: the element types of tensors, as GGUF numbers them. Sizes only; blocks/ holds what the bits mean.
#pragma once

#include <cstddef>
#include <cstdint>

namespace siskin {

// The enumerator's value is the type's number in a GGUF file, or from kOwnTypes on our own.
enum class DType : uint32_t {
#define SISKIN_DTYPE(name, id, text, elems, bytes, head, built) name = id,
#include "formats/dtype_list.inc"
#undef SISKIN_DTYPE
};

struct DTypeInfo {
  DType type;
  const char* name;      // lower case, as users type it: "q8_0"
  uint32_t block_elems;  // weights per block along a row
  uint32_t block_bytes;
  uint32_t head_bytes;   // before a row's first block
  bool built;            // blocks/ can encode and decode it, packed/ and the kernels have it
};

inline constexpr uint32_t kOwnTypes = 1000;
inline bool in_gguf(DType type) { return static_cast<uint32_t>(type) < kOwnTypes; }

// nullptr for a number that no type has.
const DTypeInfo* find_dtype(uint32_t gguf_id);
const DTypeInfo* find_dtype(const char* name);
// REQUIRES: a type of the list.
const DTypeInfo& dtype_info(DType type);
inline const char* dtype_name(DType type) { return dtype_info(type).name; }

// Bytes of a row of `cols` weights. REQUIRES: cols % block_elems == 0, no overflow (check with checked_mul first).
inline size_t row_bytes(DType type, size_t cols) {
  const DTypeInfo& info = dtype_info(type);
  return info.head_bytes + cols / info.block_elems * info.block_bytes;
}

}  // namespace siskin
