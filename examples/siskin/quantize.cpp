// siskin quantize: writes a model in another type.
#include <fmt/format.h>
#include <siskin/quantize.h>

#include <string>

#include "examples/siskin/cli/command_line.h"
#include "examples/siskin/commands.h"
#include "examples/siskin/write_model.h"

namespace siskin::cli {

int quantize_command(int argc, const char* const* argv) {
  CommandLine line("siskin", "quantize", "Write a model in another type, as GGUF (w8a8, fp8: as a Hugging Face folder)");
  std::string in, out, method = "rtn";
  QuantizeOptions options;
  CLI::App& app = line.app();
  app.add_option("IN", in, "A GGUF file or a Hugging Face folder")->required()->type_name("");
  app.add_option("OUT", out, "The GGUF file to write, or the folder")->required()->type_name("");
  app.add_option(
         "--type", options.type,
         "f32, f16, bf16, q8_0, q6_k, q5_k, q5_1, q5_0, q4_k, q4_1, q4_0, iq4_nl, iq4_xs, q3_k, q2_k or mxfp4: every matrix in "
         "it; q5_k_m, q5_k_s, q4_k_m, q4_k_s, q3_k_l, q3_k_m, q3_k_s or q2_k_m (llama.cpp's Q2_K): mixtures; w8a8, fp8: int8 or E4M3 with "
         "a scale per row, from a folder to a folder")
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

  return write_model(line, "quantize", in, out, options);
}

}  // namespace siskin::cli
