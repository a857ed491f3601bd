// The kernel table of AVX-512 F/BW/DQ/VL/VNNI. Built with that set's flags; one global symbol.
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12's own avx512fintrin.h starts results from undefined registers and then warns about them (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include "kernels/avx512/strip-inl.h"
#include "kernels/generic/attention-inl.h"
#include "kernels/generic/elementwise-inl.h"
#include "kernels/generic/order-inl.h"
#include "kernels/generic/rows-inl.h"
#include "kernels/isa_tables.h"

using Arch = xsimd::avx512bw;

namespace siskin {

constinit const KernelTable kTableAvx512Vnni = {
    .matvec_f32 = matvec_float<StripAvx512, WeightsF32>,
    .matvec_f16 = matvec_float<StripAvx512, WeightsF16>,
    .matvec_bf16 = matvec_float<StripAvx512, WeightsBf16>,
    .matvec_q8_0 = matvec_int8<StripAvx512, WeightsQ8>,
    .matvec_q4_0 = matvec_int8<StripAvx512, WeightsQ4>,
    .matmul_f32 = matmul_float<StripAvx512, WeightsF32>,
    .matmul_f16 = matmul_float<StripAvx512, WeightsF16>,
    .matmul_bf16 = matmul_float<StripAvx512, WeightsBf16>,
    .matmul_q8_0 = matmul_int8<StripAvx512, WeightsQ8>,
    .matmul_q4_0 = matmul_int8<StripAvx512, WeightsQ4>,
    .get_row = get_row<StripAvx512>,
    .quantize_q8 = quantize_q8<Arch>,
    .rms_norm = rms_norm<Arch>,
    .rope = rope<Arch>,
    .softmax = softmax<Arch>,
    .swiglu = swiglu<Arch>,
    .axpy = axpy<Arch>,
    .top_k = top_k<Arch>,
    .argmax = argmax<Arch>,
    .kv_store = kv_store<StripAvx512>,
    .attention = attention<StripAvx512, Arch>,
};

}  // namespace siskin
