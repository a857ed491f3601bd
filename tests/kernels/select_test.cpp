// Choosing a table: order, overlays, SISKIN_ISA, and errors that say what is there.
#include "kernels/select.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <optional>

#include "kernels/cpu.h"
#include "kernels/isa_tables.h"

namespace {

using siskin::available_isas;
using siskin::Isa;
using siskin::select_isa;

// Sets an environment variable for one scope.
class ForcedIsa {
 public:
  explicit ForcedIsa(const char* value) {
    if (const char* old = std::getenv("SISKIN_ISA")) old_ = old;
    setenv("SISKIN_ISA", value, 1);
  }
  ~ForcedIsa() {
    if (old_) {
      setenv("SISKIN_ISA", old_->c_str(), 1);
    } else {
      unsetenv("SISKIN_ISA");
    }
  }
  ForcedIsa(const ForcedIsa&) = delete;
  ForcedIsa& operator=(const ForcedIsa&) = delete;

 private:
  std::optional<std::string> old_;
};

TEST_CASE("ref comes first and every table is complete", "[select]") {
  REQUIRE(std::string(available_isas().front().name) == "ref");
  for (const Isa& isa : available_isas()) {
#define SISKIN_KERNEL(name, Fn, tolerance) \
  CHECK(isa.complete.name != nullptr);     \
  if (isa.own->name != nullptr) CHECK(isa.complete.name == isa.own->name);
#include "kernels/kernel_list.inc"
#undef SISKIN_KERNEL
  }
}

TEST_CASE("an entry comes from the highest set that has it", "[select]") {
  for (const Isa& isa : available_isas()) {
#define SISKIN_KERNEL(name, Fn, tolerance)                         \
  {                                                                \
    const auto origin = select_isa(siskin::origin_of(isa, #name)); \
    REQUIRE(origin);                                               \
    CHECK((*origin)->own->name == isa.complete.name);              \
  }
#include "kernels/kernel_list.inc"
#undef SISKIN_KERNEL
  }
}

TEST_CASE("SISKIN_ISA forces a set that is there", "[select]") {
  for (const Isa& isa : available_isas()) {
    const ForcedIsa forced(isa.name);
    const auto chosen = select_isa();
    REQUIRE(chosen);
    CHECK(*chosen == &isa);
  }
}

TEST_CASE("without a name the last set is chosen, also when SISKIN_ISA is empty", "[select]") {
  const ForcedIsa forced("");
  const auto chosen = select_isa();
  REQUIRE(chosen);
  CHECK(*chosen == &available_isas().back());
}

TEST_CASE("an absent set fails with the list of what is there", "[select]") {
  for (const char* absent : {"sse9", "REF", "avx"}) {
    const ForcedIsa forced(absent);
    const auto chosen = select_isa();
    REQUIRE_FALSE(chosen);
    CHECK(chosen.error().code == siskin::ErrorCode::invalid_argument);
    CHECK(chosen.error().message.find(std::string("SISKIN_ISA=") + absent) == 0);
    for (const Isa& isa : available_isas()) CHECK(chosen.error().message.find(isa.name) != std::string::npos);
    CHECK_FALSE(select_isa(absent));
  }
}

TEST_CASE("a name given beats SISKIN_ISA", "[select]") {
  const ForcedIsa forced("sse9");
  const auto chosen = select_isa("ref");
  REQUIRE(chosen);
  CHECK((*chosen)->own == &siskin::kTableRef);
}

// An emulator can be a CPU of which the sets are known; CMakeLists.txt names them. Elsewhere: in the order of the build.
TEST_CASE("the sets there are the ones that this CPU runs", "[select]") {
  std::string there = available_isas().front().name;
  for (const Isa& isa : available_isas().subspan(1)) there += std::string(" ") + isa.name;
  if (const char* expected = std::getenv("SISKIN_TEST_ISAS")) CHECK(there == expected);

  auto built = siskin::built_isas().begin();
  for (const Isa& isa : available_isas().subspan(1)) {
    built = std::find_if(built, siskin::built_isas().end(), [&](const char* name) { return std::string(name) == isa.name; });
    CHECK(built != siskin::built_isas().end());
  }
}

TEST_CASE("the CPU has a name and consistent features", "[cpu]") {
  const siskin::CpuFeatures& cpu = siskin::cpu_features();
  CHECK_FALSE(siskin::cpu_name().empty());
  if (cpu.avx512vnni) CHECK(cpu.avx512);
  if (cpu.avx512) CHECK(cpu.avx2);
  if (cpu.avx2vnni) CHECK(cpu.avx2);
  if (cpu.neon_dot) CHECK(cpu.neon);
  if (cpu.neon_i8mm) CHECK(cpu.neon_dot);
#if defined(__aarch64__)
  CHECK(cpu.neon);  // part of the architecture
#endif
}

}  // namespace
