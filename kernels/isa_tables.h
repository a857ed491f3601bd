// The tables that the instruction sets' translation units define, one global symbol each. Only select.cpp reads them.
#pragma once

#include "kernels/kernels.h"

namespace siskin {

extern const KernelTable kTableRef;         // complete, baseline flags
extern const KernelTable kTableAvx2;        // AVX2 + FMA + F16C
extern const KernelTable kTableAvx2Vnni;    // AVX2 + AVX-VNNI
extern const KernelTable kTableAvx512;      // AVX-512 F/BW/DQ/VL
extern const KernelTable kTableAvx512Vnni;  // the same + VNNI
extern const KernelTable kTableAvx512Bf16;  // AVX-512 BF16
extern const KernelTable kTableAmx;         // AMX tiles, and AVX-512 BF16 to unpack for them
extern const KernelTable kTableNeon;        // ARMv8.0 NEON
extern const KernelTable kTableNeonDot;     // ARMv8.2 NEON + dotprod
extern const KernelTable kTableNeonI8mm;    // the same + i8mm

}  // namespace siskin
