// An instruction set whose matmuls of many rows run on bf16 tiles in plain C++: the engine's paths of `amx`, on any host.
#pragma once

#include "kernels/select.h"

namespace siskin::test {

inline Isa with_plain_tiles(Isa isa) {
  const KernelTable& ref = available_isas().front().complete;
  isa.complete.matmul_any_bf16 = ref.matmul_any_bf16;
  isa.complete.round_bf16 = ref.round_bf16;
  isa.complete.bf16_rows = {.bf16 = 16, .f16 = 16, .fp8 = 16, .blocks = 32};
  return isa;
}

}  // namespace siskin::test
