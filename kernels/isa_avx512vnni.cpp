// The kernel table of AVX-512 F/BW/DQ/VL/VNNI: the int8 rows alone, the rest is avx512's. Built with that set's flags; one
// global symbol.
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12's own avx512fintrin.h starts results from undefined registers and then warns about them (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include "kernels/avx512/strip-inl.h"
#include "kernels/generic/table-inl.h"
#include "kernels/isa_tables.h"

constinit const siskin::KernelTable siskin::kTableAvx512Vnni = with_int8<StripAvx512>();
