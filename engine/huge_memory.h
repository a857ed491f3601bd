// Memory for weights: whole huge pages where the system has them.
#pragma once

#include <cstddef>
#include <memory>

namespace siskin {

inline constexpr size_t kHugePage = size_t{2} << 20;

// At least `bytes` bytes that begin at a huge page, taken from the system as they are written; null where it has not so many addresses.
std::shared_ptr<std::byte> map_huge_memory(size_t bytes);

}  // namespace siskin
