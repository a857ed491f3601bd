// siskin quantize: writes a model in another type.
#include <fmt/format.h>
#include <siskin/quantize.h>

#include <nlohmann/json.hpp>
#include <string>

#include "examples/siskin/cli/command_line.h"
#include "examples/siskin/cli/interrupt.h"
#include "examples/siskin/cli/progress.h"
#include "examples/siskin/cli/units.h"
#include "examples/siskin/commands.h"

namespace siskin::cli {

int quantize_command(int argc, const char* const* argv) {
  CommandLine line("siskin", "quantize", "Write a model in another type, as GGUF");
  std::string in, out, method = "rtn";
  QuantizeOptions options;
  CLI::App& app = line.app();
  app.add_option("IN", in, "A GGUF file or a Hugging Face folder")->required()->type_name("");
  app.add_option("OUT", out, "The GGUF file to write")->required()->type_name("");
  app.add_option("--type", options.type,
                 "f32, f16, bf16, q8_0, q6_k, q5_k, q5_1, q5_0, q4_k, q4_1, q4_0, iq4_nl, iq4_xs, q3_k, q2_k or mxfp4: every matrix in "
                 "it; q5_k_m, q5_k_s, q4_k_m, q4_k_s, q3_k_l, q3_k_m, q3_k_s or q2_k_m (llama.cpp's Q2_K): mixtures")
      ->required()
      ->envname("SISKIN_TYPE")
      ->type_name("T");
  app.add_option("--method", method, "rtn: round to nearest (the only one so far)")
      ->check(CLI::Validator(
          [](std::string& name) -> std::string {
            if (name == "rtn") return {};
            if (name == "imatrix" || name == "gptq" || name == "awq") return fmt::format("{}: not built yet", name);
            return fmt::format("'{}', expected rtn", name);
          },
          ""))
      ->type_name("M");
  line.without("--calib").without("--plan");
  line.with_threads().with_json();
  if (const auto status = line.parse(argc, argv)) return *status;

  Progress progress("quantize", "B", line.flags.progress);
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
                            {"bits_per_weight", report->bits_per_weight},
                            {"bytes", report->bytes},
                            {"seconds", report->seconds}});
  for (const std::string& fallback : report->fallbacks) fmt::print("fallback  {}\n", fallback);
  for (const auto& [type, tensors] : report->types) fmt::print("tensors   {}: {}\n", type, tensors);
  fmt::print("wrote     {}: {}, {:.2f} bits per weight, {:.2f} s\n", out, human_bytes(static_cast<double>(report->bytes)),
             report->bits_per_weight, report->seconds);
  return line.finish_stdout();
}

}  // namespace siskin::cli
