// The kernel table of ARMv8.2 NEON with dotprod and fp16. Built with that set's flags; one global symbol.

#include "kernels/neon/strip-inl.h"
#include "kernels/generic/table-inl.h"
#include "kernels/isa_tables.h"

constinit const siskin::KernelTable siskin::kTableNeonDot = table_of<StripNeon, xsimd::neon64>();
