// The kernel table of AVX2 with FMA and F16C. Built with that set's flags; one global symbol.
#if defined(__GNUC__) && !defined(__clang__)
// xsimd 8.1 loads complex numbers by inserting both halves into a register that it leaves undefined before.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include "kernels/avx2/strip-inl.h"
#include "kernels/generic/table-inl.h"
#include "kernels/isa_tables.h"

constinit const siskin::KernelTable siskin::kTableAvx2 = with_int8<StripAvx2>(table_of<StripAvx2, xsimd::fma3<xsimd::avx2>>());
