// The kernel table of AVX2 with FMA and F16C. Built with that set's flags; one global symbol.

#include "kernels/avx2/strip-inl.h"
#include "kernels/isa_tables.h"

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
};

}  // namespace siskin
