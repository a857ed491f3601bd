// What this CPU can run, asked once from cpuid/getauxval and, for state that the OS must save, from the OS.
#pragma once

#include <string>

namespace siskin {

struct CpuFeatures {
  bool avx2 = false;        // AVX2, FMA, F16C
  bool avx2vnni = false;    // AVX-VNNI
  bool avx512 = false;      // F, BW, DQ, VL
  bool avx512vnni = false;
  bool avx512bf16 = false;
  bool amx_int8 = false;    // tiles, permitted by the OS
  bool amx_bf16 = false;
  bool amx = false;         // bf16 and int8 tiles beside AVX-512 VNNI and BF16
  bool neon = false;
  bool neon_dot = false;
  bool neon_i8mm = false;
};

const CpuFeatures& cpu_features();
std::string cpu_name();  // the model name that the system reports

}  // namespace siskin
