// The AMX bodies with AVX-512's unpacking, on tiles in plain C++: what isa_amx.cpp runs, on a host without tiles.
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12's own avx512fintrin.h starts results from undefined registers and then warns about them (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include "kernels/amx/matmul_tiles-inl.h"
#include "kernels/amx/tiles_plain-inl.h"
#include "kernels/avx512/lanes_bf16-inl.h"

namespace siskin {
extern const KernelTable kTableAmxPlain;
}

constinit const siskin::KernelTable siskin::kTableAmxPlain = {
    .matmul_any_bf16 = matmul_any_tiles<TilesPlain, LanesAvx512Bf16>,
    .round_bf16 = round_bf16,
};
