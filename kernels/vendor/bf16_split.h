// f32 as a sum of two bf16: what a bf16 GEMM needs to keep our matmul's f32 activations.
#pragma once

#include <cstddef>
#include <cstdint>

namespace siskin {

// high = bf16(x), low = bf16(x - high): high + low differs from x by at most 2^-17 |x|.
void split_bf16(const float* x, size_t n, uint16_t* high, uint16_t* low) noexcept;

}  // namespace siskin
