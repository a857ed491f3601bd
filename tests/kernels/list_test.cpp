// Every row of kernel_list.inc on every instruction set that this CPU runs. Filters: siskin_tests_kernels matvec_q8_0 -c avx2
#include <catch2/catch.hpp>

#include "tests/kernels/check.h"

// The complete table is tested, not only the set's own bodies: it is what a model runs on.
#define SISKIN_KERNEL(kernel, Fn, tolerance)                                           \
  TEST_CASE(#kernel, "[" #Fn "][" #tolerance "]") {                                    \
    for (const siskin::Isa& isa : siskin::available_isas()) {                          \
      DYNAMIC_SECTION(isa.name) {                                                      \
        REQUIRE(isa.complete.kernel != nullptr);                                       \
        siskin::test::check(siskin::test::Kernel{#kernel, &isa}, isa.complete.kernel); \
      }                                                                                \
    }                                                                                  \
  }
#include "kernels/kernel_list.inc"
#undef SISKIN_KERNEL
