// The kernel table of AVX2 with FMA and F16C. Built with that set's flags; one global symbol.
#if defined(__GNUC__) && !defined(__clang__)
// xsimd 8.1 loads complex numbers by inserting both halves into a register that it leaves undefined before.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include "kernels/avx2/strip-inl.h"
#include "kernels/generic/attention-inl.h"
#include "kernels/generic/elementwise-inl.h"
#include "kernels/generic/order-inl.h"
#include "kernels/generic/rows-inl.h"
#include "kernels/isa_tables.h"

using Arch = xsimd::fma3<xsimd::avx2>;

namespace siskin {

constinit const KernelTable kTableAvx2 = {
    .matvec_f32 = matvec_float<StripAvx2, WeightsF32>,
    .matvec_f16 = matvec_float<StripAvx2, WeightsF16>,
    .matvec_bf16 = matvec_float<StripAvx2, WeightsBf16>,
    .matvec_q8_0 = matvec_int8<StripAvx2, WeightsQ8>,
    .matvec_q4_0 = matvec_int8<StripAvx2, WeightsQ4>,
    .matmul_f32 = matmul_float<StripAvx2, WeightsF32>,
    .matmul_f16 = matmul_float<StripAvx2, WeightsF16>,
    .matmul_bf16 = matmul_float<StripAvx2, WeightsBf16>,
    .matmul_q8_0 = matmul_int8<StripAvx2, WeightsQ8>,
    .matmul_q4_0 = matmul_int8<StripAvx2, WeightsQ4>,
    .get_row = get_row<StripAvx2>,
    .quantize_q8 = quantize_q8<Arch>,
    .rms_norm = rms_norm<Arch>,
    .rope = rope<Arch>,
    .softmax = softmax<Arch>,
    .swiglu = swiglu<Arch>,
    .axpy = axpy<Arch>,
    .top_k = top_k<Arch>,
    .argmax = argmax<Arch>,
    .kv_store = kv_store<StripAvx2>,
    .attention = attention<StripAvx2, Arch>,
};

}  // namespace siskin
