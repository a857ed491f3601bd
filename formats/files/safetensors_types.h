// The element types of safetensors: their names, widths and the DType that holds the same bits.
#pragma once

#include <optional>
#include <string_view>

#include "formats/dtype.h"

namespace siskin {

struct SafetensorsType {
  const char* name;
  size_t bytes;
  std::optional<DType> type;
};

inline constexpr SafetensorsType kSafetensorsTypes[] = {
    {"F32", 4, DType::F32},    {"F16", 2, DType::F16},       {"BF16", 2, DType::BF16},     {"F64", 8, DType::F64},
    {"I8", 1, DType::I8},      {"I16", 2, DType::I16},       {"I32", 4, DType::I32},       {"I64", 8, DType::I64},
    {"U8", 1, std::nullopt},   {"U16", 2, std::nullopt},     {"U32", 4, std::nullopt},     {"U64", 8, std::nullopt},
    {"BOOL", 1, std::nullopt}, {"F8_E4M3", 1, DType::F8_E4M3}, {"F8_E5M2", 1, std::nullopt}, {"F8_E8M0", 1, std::nullopt},
    {"C64", 8, std::nullopt},
};

inline const SafetensorsType* find_safetensors_type(std::string_view name) {
  for (const SafetensorsType& type : kSafetensorsTypes) {
    if (name == type.name) return &type;
  }
  return nullptr;
}

inline const SafetensorsType* find_safetensors_type(DType type) {
  for (const SafetensorsType& candidate : kSafetensorsTypes) {
    if (candidate.type == type) return &candidate;
  }
  return nullptr;
}

}  // namespace siskin
