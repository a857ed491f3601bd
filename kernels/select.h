// Chooses the kernel table: the complete `ref` table overlaid by each supported instruction set in ascending order.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <siskin/result.h>

#include "kernels/kernels.h"

namespace siskin {

struct Isa {
  const char* name;           // "ref", or a name of built_isas()
  const KernelTable* own;     // this set's bodies alone, null entries where it has none
  KernelTable complete;       // ref overlaid by every supported set up to this one
};

// The instruction sets of this build but "ref", ascending, whatever this CPU runs.
std::span<const char* const> built_isas();
// The instruction sets that this CPU runs and this build has, ascending; the first is "ref".
std::span<const Isa> available_isas();
// `name` empty: SISKIN_ISA if set, else the last of available_isas(). Unknown or absent: invalid_argument, with the list of what is there.
Result<const Isa*> select_isa(std::string_view name = {});
// Which set a kernel of this table came from (for --report): the name of the highest set whose own table holds that function.
const char* origin_of(const Isa& isa, std::string_view kernel);

inline MatmulFn matvec_of(const KernelTable& table, DType type) {
  switch (type) {
    case DType::F32: return table.matvec_f32;
    case DType::F16: return table.matvec_f16;
    case DType::BF16: return table.matvec_bf16;
    case DType::FP8: return table.matvec_fp8;
#define SISKIN_INT8_TYPE(Type, name) \
  case DType::Type: return table.matvec_##name;
#include "kernels/int8_types.inc"
#undef SISKIN_INT8_TYPE
    default: return nullptr;
  }
}

inline MatmulFn matmul_of(const KernelTable& table, DType type) {
  switch (type) {
    case DType::F32: return table.matmul_f32;
    case DType::F16: return table.matmul_f16;
    case DType::BF16: return table.matmul_bf16;
    case DType::FP8: return table.matmul_fp8;
#define SISKIN_INT8_TYPE(Type, name) \
  case DType::Type: return table.matmul_##name;
#include "kernels/int8_types.inc"
#undef SISKIN_INT8_TYPE
    default: return nullptr;
  }
}

// From how many rows on a type's matmul runs on matmul_any_bf16 (kernels.h, Bf16Rows); 0: never.
inline size_t bf16_rows_of(const KernelTable& table, DType type) {
  if (type == DType::F32) return 0;
  if (type == DType::BF16) return table.bf16_rows.bf16;
  if (type == DType::FP8) return table.bf16_rows.fp8;
  return type == DType::F16 ? table.bf16_rows.f16 : table.bf16_rows.blocks;
}
inline bool uses_bf16(const KernelTable& table, DType type, size_t m) {
  const size_t least = bf16_rows_of(table, type);
  return least != 0 && m >= least;
}

}  // namespace siskin
