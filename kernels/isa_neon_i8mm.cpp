// The kernel table of NEON with dotprod and i8mm: the int8 rows alone, the rest is neon's. Built with that set's flags; one
// global symbol.

#include "kernels/generic/table-inl.h"
#include "kernels/isa_tables.h"
#include "kernels/neon/strip_i8mm-inl.h"

constinit const siskin::KernelTable siskin::kTableNeonI8mm = with_int8<StripNeonI8mm>();
