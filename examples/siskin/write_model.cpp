#include "examples/siskin/write_model.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "examples/siskin/cli/interrupt.h"
#include "examples/siskin/cli/progress.h"
#include "examples/siskin/cli/units.h"

namespace siskin::cli {

int write_model(CommandLine& line, const std::string& command, const std::string& in, const std::string& out,
                QuantizeOptions options) {
  Progress progress(command, "B", line.flags.progress);
  options.type = lower(options.type);
  options.threads = line.flags.threads;
  options.on_progress = [&](uint64_t done, uint64_t total) {
    progress.update(done, total);
    return !interrupted();
  };
  const auto report = quantize_model(in, out, options);
  progress.clear();
  if (!report) return line.fail(report.error());
  if (line.flags.json)
    return line.print_json({{"types", report->types},
                            {"fallbacks", report->fallbacks},
                            {"notes", report->notes},
                            {"unused_tensors", report->unused_tensors},
                            {"unused_bytes", report->unused_bytes},
                            {"bits_per_weight", report->bits_per_weight},
                            {"bytes", report->bytes},
                            {"seconds", report->seconds}});
  for (const std::string& fallback : report->fallbacks) fmt::print("fallback  {}\n", fallback);
  for (const std::string& note : report->notes) fmt::print("note      {}\n", note);
  if (report->unused_tensors > 0) {
    fmt::print("left out  {} tensors, {}: layers that draft several tokens at once (multi-token prediction) are not run\n",
               report->unused_tensors, human_bytes(static_cast<double>(report->unused_bytes)));
  }
  for (const auto& [type, tensors] : report->types) fmt::print("tensors   {}: {}\n", type, tensors);
  fmt::print("wrote     {}: {}, {:.2f} bits per weight, {:.2f} s\n", out, human_bytes(static_cast<double>(report->bytes)),
             report->bits_per_weight, report->seconds);
  return line.finish_stdout();
}

}  // namespace siskin::cli
