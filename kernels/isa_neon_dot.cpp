// The kernel table of ARMv8.2 NEON with dotprod: the int8 rows alone, the rest is neon's. Built with that set's flags; one
// global symbol.

#include "kernels/generic/table-inl.h"
#include "kernels/isa_tables.h"
#include "kernels/neon/strip-inl.h"

constinit const siskin::KernelTable siskin::kTableNeonDot = with_int8<StripNeon>();
