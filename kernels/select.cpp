// Builds the tables once and chooses among them. Compiled for the baseline: it runs before anything is known about the CPU.
#include "kernels/select.h"

#include <cstdlib>
#include <cstring>

#include "formats/check.h"
#include "kernels/cpu.h"
#include "kernels/isa_tables.h"

namespace siskin {
namespace {

void overlay(KernelTable& table, const KernelTable& own) {
#define SISKIN_KERNEL(name, Fn, tolerance) \
  if (own.name != nullptr) table.name = own.name;
#include "kernels/kernel_list.inc"
#undef SISKIN_KERNEL
  if (own.bf16_rows.bf16 != 0) table.bf16_rows.bf16 = own.bf16_rows.bf16;
  if (own.bf16_rows.f16 != 0) table.bf16_rows.f16 = own.bf16_rows.f16;
  if (own.bf16_rows.fp8 != 0) table.bf16_rows.fp8 = own.bf16_rows.fp8;
  if (own.bf16_rows.blocks != 0) table.bf16_rows.blocks = own.bf16_rows.blocks;
  if (own.bf16_rows.attention != 0) table.bf16_rows.attention = own.bf16_rows.attention;
}

std::vector<Isa> build_isas() {
  std::vector<Isa> isas = {{"ref", &kTableRef, kTableRef}};
  const auto add = [&isas](const char* name, const KernelTable& own) {
    Isa isa = {name, &own, isas.back().complete};
    overlay(isa.complete, own);
    isas.push_back(isa);
  };
  // One row per set of this build, in ascending order; its name is also the name of the CPU's feature.
#define SISKIN_ISA(name, table) \
  if (cpu_features().name) add(#name, table);
#include "isa_list.inc"
#undef SISKIN_ISA
  (void)add;  // a build without any set
  return isas;
}

bool holds(const KernelTable& table, std::string_view kernel) {
#define SISKIN_KERNEL(name, Fn, tolerance) \
  if (kernel == #name) return table.name != nullptr;
#include "kernels/kernel_list.inc"
#undef SISKIN_KERNEL
  broken_invariant(__FILE__, __LINE__, "origin_of: a kernel of kernel_list.inc");
}

}  // namespace

std::span<const char* const> built_isas() {
  static const std::vector<const char*> names = {
#define SISKIN_ISA(name, table) #name,
#include "isa_list.inc"
#undef SISKIN_ISA
  };
  return names;
}

std::span<const Isa> available_isas() {
  static const std::vector<Isa> isas = build_isas();
  return isas;
}

Result<const Isa*> select_isa(std::string_view name) {
  const std::span<const Isa> isas = available_isas();
  std::string asker = "isa";
  if (name.empty()) {
    const char* forced = std::getenv("SISKIN_ISA");
    if (forced == nullptr || *forced == '\0') return &isas.back();
    name = forced;
    asker = "SISKIN_ISA";
  }
  std::string there;
  for (const Isa& isa : isas) {
    if (name == isa.name) return &isa;
    there += there.empty() ? isa.name : std::string(", ") + isa.name;
  }
  return Error{ErrorCode::invalid_argument, asker + "=" + std::string(name) + ": this CPU and this build have only: " + there};
}

const char* origin_of(const Isa& isa, std::string_view kernel) {
  const char* origin = "ref";
  for (const Isa& lower : available_isas()) {
    if (holds(*lower.own, kernel)) origin = lower.name;
    if (std::strcmp(lower.name, isa.name) == 0) break;
  }
  return origin;
}

}  // namespace siskin
