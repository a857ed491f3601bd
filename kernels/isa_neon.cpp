// The kernel table of ARMv8.0 NEON, which every arm64 CPU has. Built with that set's flags; one global symbol.

#include "kernels/generic/table-inl.h"
#include "kernels/isa_tables.h"
#include "kernels/neon/strip_widening-inl.h"

constinit const siskin::KernelTable siskin::kTableNeon = with_int8<StripNeonWidening>(table_of<StripNeon, xsimd::neon64>());
