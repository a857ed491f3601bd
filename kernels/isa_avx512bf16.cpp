// The kernel table of AVX-512 BF16: what vdpbf16ps does better than the sets below. Built with that set's flags; one global
// symbol.
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12's own avx512fintrin.h starts results from undefined registers and then warns about them (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include "kernels/avx512/attention_bf16-inl.h"
#include "kernels/avx512/lanes_bf16-inl.h"
#include "kernels/avx512/matmul_bf16-inl.h"
#include "kernels/isa_tables.h"

// Not F16 weights, which would give up three bits, and not int8 activations, whose dots are faster than those of bf16.
constinit const siskin::KernelTable siskin::kTableAvx512Bf16 = {
    .matmul_any_bf16 = matmul_any_dots<LanesAvx512Bf16>,
    .round_bf16 = round_bf16,
    .attention_bf16 = attention_bf16<xsimd::avx512bw>,
    .bf16_rows = {.bf16 = 16, .fp8 = 16, .attention = 32},
};
