// Runs the kernel tests, then says how many cases each instruction set passed through and which sets this CPU could not show.
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#include <cstdio>
#include <string_view>

#include "tests/kernels/harness.h"

int main(int argc, char** argv) {
  const int failed = Catch::Session().run(argc, argv);
  for (const auto& [isa, cases] : siskin::test::case_counts()) std::printf("%s: %zu cases\n", isa.c_str(), cases);
  for (const std::string_view name : siskin::built_isas()) {
    bool there = false;
    for (const siskin::Isa& isa : siskin::available_isas()) there = there || name == isa.name;
    if (!there) std::printf("skipped: no %s on this CPU\n", name.data());
  }
  return failed;
}
