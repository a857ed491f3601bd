// siskin machine: what this machine can do, measured once and cached.
#include <fmt/format.h>
#include <siskin/machine.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "examples/siskin/cli/command_line.h"
#include "examples/siskin/cli/interrupt.h"
#include "examples/siskin/cli/progress.h"
#include "examples/siskin/cli/units.h"
#include "examples/siskin/commands.h"

namespace siskin::cli {
namespace {

constexpr uint64_t kSteps = 1000;

nlohmann::ordered_json kernels_json(const std::vector<KernelChoice>& kernels) {
  auto rows = nlohmann::ordered_json::array();
  for (const KernelChoice& kernel : kernels) {
    auto gflops = nlohmann::ordered_json::object();
    for (const auto& [provider, speed] : kernel.gflops) gflops[provider] = speed;
    rows.push_back({{"op", kernel.op},
                    {"type", kernel.type},
                    {"m", kernel.m},
                    {"n", kernel.n},
                    {"k", kernel.k},
                    {"chosen", kernel.chosen},
                    {"gflops", std::move(gflops)}});
  }
  return rows;
}

void print_text(const MachineProfile& machine) {
  fmt::print("cpu          {}\n", machine.cpu);
  fmt::print("isa          {} (of {})\n", machine.isa, fmt::join(machine.isas, " "));
  fmt::print("threads      {} usable on {} cores\n", machine.threads, machine.cores);
  fmt::print("memory       {}\n", human_bytes(static_cast<double>(machine.memory_bytes)));
  for (const CacheLevel& cache : machine.caches)
    fmt::print("cache L{}     {} shared by {}\n", cache.level, human_bytes(static_cast<double>(cache.bytes)), cache.shared_by);
  for (const ReadBandwidth& read : machine.read_gb_s)
    fmt::print("read         {:>3} threads {:>9.2f} MB {:>8.1f} GB/s\n", read.threads, read.mb, read.gb_s);
  fmt::print("read at most {:.1f} GB/s\n", machine.read_gb_s_max);
  const auto peak = [](const char* unit, const std::optional<double>& gflops) {
    if (gflops)
      fmt::print("peak         {:<12} {:>8.1f} GFLOP/s\n", unit, *gflops);
    else
      fmt::print("peak         {:<12} not here\n", unit);
  };
  peak("f32", machine.peak_f32);
  peak("bf16", machine.peak_bf16);
  peak("int8 vector", machine.peak_int8_vector);
  peak("int8 matrix", machine.peak_int8_matrix);
  peak("bf16 matrix", machine.peak_bf16_matrix);
  fmt::print("fingerprint  {}, measured {}{}\n", machine.fingerprint, machine.measured_at,
             machine.from_cache ? " (cached)" : "");
}

void print_kernels(const std::vector<KernelChoice>& kernels) {
  fmt::print("\n");
  for (const KernelChoice& kernel : kernels) {
    fmt::print("kernel       {} {} {}x{}x{}: {}", kernel.op, kernel.type, kernel.m, kernel.n, kernel.k, kernel.chosen);
    for (const auto& [provider, speed] : kernel.gflops) fmt::print("  {} {:.1f}", provider, speed);
    fmt::print(" GFLOP/s\n");
  }
}

}  // namespace

int machine_command(int argc, const char* const* argv) {
  CommandLine line("siskin", "machine", "This machine: CPU, caches, measured read bandwidth and peak arithmetic");
  bool kernels = false, forget = false;
  line.app().add_flag("--kernels", kernels, "Measure who runs each operation fastest");
  line.app().add_flag("--forget", forget, "Clear the cache of measurements and stop")->excludes("--kernels");
  line.with_json();
  if (const auto status = line.parse(argc, argv)) return *status;

  if (forget) {
    const auto forgotten = forget_machine_profiles();
    if (!forgotten) return line.fail(forgotten.error());
    return line.flags.json ? line.print_json({{"forgotten", true}}) : 0;
  }
  MachineOptions options;
  Progress progress("measure", "steps", line.flags.progress);
  options.on_progress = [&](double fraction) { progress.update(static_cast<uint64_t>(fraction * kSteps), kSteps); };
  const auto profile = machine_profile(options);
  if (!profile) return line.fail(profile.error());
  std::optional<std::vector<KernelChoice>> choices;
  if (kernels && !interrupted()) {
    auto measured = measure_kernels(options);
    if (!measured) return line.fail(measured.error());
    choices = *std::move(measured);
  }
  progress.clear();

  int status = 0;
  if (line.flags.json) {
    auto document = nlohmann::ordered_json::parse(to_json(**profile));
    if (choices) document["kernels"] = kernels_json(*choices);
    status = line.print_json(document);
  } else {
    print_text(**profile);
    if (choices) print_kernels(*choices);
    status = line.finish_stdout();
  }
  if (interrupted()) return line.fail({ErrorCode::cancelled, "interrupted"});
  return status;
}

}  // namespace siskin::cli
