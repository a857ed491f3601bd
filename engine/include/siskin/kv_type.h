// What a session keeps K and V in.
#pragma once

#include <siskin/export.h>
#include <siskin/result.h>

#include <cstdint>
#include <string_view>

namespace siskin {

// q8_0: int8 with an F16 scale per 32 values of a head, 8.5 bits each.
enum class KvType : uint8_t { f16, f32, bf16, q8_0 };

SISKIN_API const char* kv_type_name(KvType type);  // "f16", ...
// Errors: invalid_argument, with the names there are.
SISKIN_API Result<KvType> kv_type_of(std::string_view name);

}  // namespace siskin
