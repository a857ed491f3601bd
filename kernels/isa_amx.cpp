// The kernel table of AMX tiles. Built with that set's flags; one global symbol.
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12's own avx512fintrin.h starts results from undefined registers and then warns about them (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include "kernels/amx/matmul_tiles-inl.h"
#include "kernels/amx/tiles-inl.h"
#include "kernels/avx512/lanes_bf16-inl.h"
#include "kernels/isa_tables.h"

constinit const siskin::KernelTable siskin::kTableAmx = {
    .matmul_any_bf16 = matmul_any_tiles<TilesAmx, LanesAvx512Bf16>,
    .round_bf16 = round_bf16,
    .bf16_rows = {.bf16 = 16, .f16 = 16, .fp8 = 16, .blocks = 32},
};
