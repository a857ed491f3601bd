// siskin pack: writes a model as the kernels read it.
#include <fmt/format.h>
#include <siskin/pack.h>

#include <nlohmann/json.hpp>
#include <string>

#include "examples/siskin/cli/command_line.h"
#include "examples/siskin/cli/interrupt.h"
#include "examples/siskin/cli/progress.h"
#include "examples/siskin/cli/units.h"
#include "examples/siskin/commands.h"

namespace siskin::cli {

int pack_command(int argc, const char* const* argv) {
  CommandLine line("siskin", "pack",
                   "Write a model as the kernels read it: it is mapped at every start, and this version's alone");
  std::string in, out;
  PackOptions options;
  line.app().add_option("IN", in, "A GGUF file or a Hugging Face folder")->required()->type_name("");
  line.app().add_option("OUT", out, "The packed file to write")->required()->type_name("");
  line.with_threads().with_json();
  if (const auto status = line.parse(argc, argv)) return *status;

  Progress progress("pack", "B", line.flags.progress);
  options.threads = line.flags.threads;
  options.on_progress = [&](uint64_t done, uint64_t total) {
    progress.update(done, total);
    return !interrupted();
  };
  const auto report = pack_model(in, out, options);
  progress.clear();
  if (!report) return line.fail(report.error());
  if (line.flags.json)
    return line.print_json({{"tensors", report->tensors},
                            {"bytes", report->bytes},
                            {"padding_bytes", report->padding_bytes},
                            {"seconds", report->seconds}});
  fmt::print("wrote     {}: {} tensors, {} ({} of it padding), {:.2f} s\n", out, report->tensors,
             human_bytes(static_cast<double>(report->bytes)), human_bytes(static_cast<double>(report->padding_bytes)),
             report->seconds);
  return line.finish_stdout();
}

}  // namespace siskin::cli
