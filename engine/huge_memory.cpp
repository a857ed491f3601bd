#include "engine/huge_memory.h"

#include <sys/mman.h>

namespace siskin {

std::shared_ptr<std::byte> map_huge_memory(size_t bytes) {
  const size_t mapped = bytes + kHugePage;
  void* memory = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  void* start = memory;
  size_t room = mapped;
  std::align(kHugePage, bytes, start, room);
  madvise(start, bytes, MADV_HUGEPAGE);  // advice only: without huge pages everything is right, a little slower
  return {static_cast<std::byte*>(start), [memory, mapped](std::byte*) { munmap(memory, mapped); }};
}

}  // namespace siskin
