#include "formats/packed/fingerprint.h"

#include <cstddef>
#include <vector>

#include "formats/packed/fnv.h"
#include "formats/packed/layout.h"

namespace siskin {

uint64_t layout_fingerprint(DType type) {
  constexpr size_t kRows = kStripRows + 3;
  const DTypeInfo& info = dtype_info(type);
  // Two blocks, or an odd number of elements: layouts pad those.
  const size_t cols = info.block_elems == 1 ? 67 : 2 * size_t{info.block_elems};
  std::vector<std::byte> rows(kRows * row_bytes(type, cols));
  uint32_t state = 1;
  for (std::byte& byte : rows) {
    state = state * 1664525u + 1013904223u;  // the constants of Numerical Recipes
    byte = static_cast<std::byte>(state >> 24);
  }
  std::vector<std::byte> packed(packed_bytes(type, kRows, cols));
  pack_strips(type, rows.data(), kRows, cols, 0, packed.size() / packed_strip_bytes(type, cols), packed.data());
  return fnv1a(packed);
}

}  // namespace siskin
