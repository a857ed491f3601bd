// The kernel table of AVX-512 F/BW/DQ/VL, without VNNI. Built with that set's flags; one global symbol.
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12's own avx512fintrin.h starts results from undefined registers and then warns about them (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include "kernels/avx512/strip_maddubs-inl.h"
#include "kernels/generic/table-inl.h"
#include "kernels/isa_tables.h"

constinit const siskin::KernelTable siskin::kTableAvx512 =
    with_int8<StripAvx512Maddubs>(table_of<StripAvx512, xsimd::avx512bw>());
