// The kernel table of AVX2 with AVX-VNNI: the int8 rows alone, the rest is avx2's. Built with that set's flags; one global
// symbol.
#if defined(__GNUC__) && !defined(__clang__)
// xsimd 8.1 loads complex numbers by inserting both halves into a register that it leaves undefined before.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include "kernels/avx2/strip_vnni-inl.h"
#include "kernels/generic/table-inl.h"
#include "kernels/isa_tables.h"

constinit const siskin::KernelTable siskin::kTableAvx2Vnni = with_int8<StripAvx2Vnni<DpbusdVex>>();
