#include "formats/dtype.h"

#include <cstring>
#include <iterator>

#include "formats/check.h"

namespace siskin {
namespace {

constexpr DTypeInfo kTypes[] = {
#define SISKIN_DTYPE(name, id, text, elems, bytes, head, built) {DType::name, text, elems, bytes, head, built},
#include "formats/dtype_list.inc"
#undef SISKIN_DTYPE
};

}  // namespace

const DTypeInfo* find_dtype(uint32_t gguf_id) {
  for (const DTypeInfo& info : kTypes) {
    if (static_cast<uint32_t>(info.type) == gguf_id) return &info;
  }
  return nullptr;
}

const DTypeInfo* find_dtype(const char* name) {
  for (const DTypeInfo& info : kTypes) {
    if (std::strcmp(info.name, name) == 0) return &info;
  }
  return nullptr;
}

const DTypeInfo& dtype_info(DType type) {
  const DTypeInfo* info = find_dtype(static_cast<uint32_t>(type));
  SISKIN_CHECK(info != nullptr);
  return *info;
}

}  // namespace siskin
