// The kernel table of ARMv8.2 NEON with dotprod and fp16. Built with that set's flags; one global symbol.

#include "kernels/generic/attention-inl.h"
#include "kernels/generic/elementwise-inl.h"
#include "kernels/generic/order-inl.h"
#include "kernels/generic/rows-inl.h"
#include "kernels/isa_tables.h"
#include "kernels/neon/strip-inl.h"

using Arch = xsimd::neon64;

namespace siskin {

constinit const KernelTable kTableNeonDot = {
    .matvec_f32 = matvec_float<StripNeon, WeightsF32>,
    .matvec_f16 = matvec_float<StripNeon, WeightsF16>,
    .matvec_bf16 = matvec_float<StripNeon, WeightsBf16>,
    .matvec_q8_0 = matvec_int8<StripNeon, WeightsQ8>,
    .matvec_q4_0 = matvec_int8<StripNeon, WeightsQ4>,
    .matmul_f32 = matmul_float<StripNeon, WeightsF32>,
    .matmul_f16 = matmul_float<StripNeon, WeightsF16>,
    .matmul_bf16 = matmul_float<StripNeon, WeightsBf16>,
    .matmul_q8_0 = matmul_int8<StripNeon, WeightsQ8>,
    .matmul_q4_0 = matmul_int8<StripNeon, WeightsQ4>,
    .get_row = get_row<StripNeon>,
    .quantize_q8 = quantize_q8<Arch>,
    .rms_norm = rms_norm<Arch>,
    .rope = rope<Arch>,
    .softmax = softmax<Arch>,
    .swiglu = swiglu<Arch>,
    .axpy = axpy<Arch>,
    .top_k = top_k<Arch>,
    .argmax = argmax<Arch>,
    .kv_store = kv_store<StripNeon>,
    .attention = attention<StripNeon, Arch>,
};

}  // namespace siskin
