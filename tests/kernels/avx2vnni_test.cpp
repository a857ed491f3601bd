// AVX-VNNI's table where the CPU has its instruction in AVX-512's encoding: avx2's rows overlaid by avx2vnni's bodies.
#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

#include "kernels/cpu.h"
#include "tests/kernels/check.h"

namespace siskin {
extern const KernelTable kTableAvx2VnniEvex;  // avx2vnni_evex.cpp
}

TEST_CASE("avx2vnni by EVEX", "[avx2vnni]") {
  if (!siskin::cpu_features().avx512vnni) {
    WARN("skipped: no AVX-512 VNNI on this CPU");
    return;
  }
  const auto avx2 = siskin::select_isa("avx2");
  REQUIRE(avx2);
  siskin::Isa isa = {"avx2vnni in EVEX", &siskin::kTableAvx2VnniEvex, (*avx2)->complete};
#define SISKIN_KERNEL(kernel, Fn, tolerance) \
  if (isa.own->kernel != nullptr) isa.complete.kernel = isa.own->kernel;
#include "kernels/kernel_list.inc"
#undef SISKIN_KERNEL
#define SISKIN_KERNEL(kernel, Fn, tolerance) \
  SECTION(#kernel) { siskin::test::check(siskin::test::Kernel{#kernel, &isa}, isa.complete.kernel); }
#include "kernels/kernel_list.inc"
#undef SISKIN_KERNEL
}
