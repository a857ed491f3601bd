// siskin convert: a Hugging Face folder as one GGUF file.
#include <siskin/quantize.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "examples/siskin/cli/command_line.h"
#include "examples/siskin/commands.h"
#include "examples/siskin/write_model.h"

namespace siskin::cli {

int convert_command(int argc, const char* const* argv) {
  CommandLine line("siskin", "convert", "Write a Hugging Face folder as one GGUF file, tokenizer included");
  std::string in, out;
  QuantizeOptions options;
  options.type = "auto";
  CLI::App& app = line.app();
  app.add_option("HF_DIR", in, "A folder with config.json, safetensors and tokenizer files")->required()->type_name("");
  app.add_option("OUT", out, "The GGUF file to write")->required()->type_name("");
  app.add_option(
         "--type", options.type,
         "auto: f32, f16 or bf16, as most of the folder is, mxfp4 where it is; or any type that siskin quantize writes as GGUF")
      ->envname("SISKIN_TYPE")
      ->type_name("T");
  line.with_threads().with_json();
  if (const auto status = line.parse(argc, argv)) return *status;

  std::error_code ignored;
  if (!std::filesystem::is_directory(in, ignored) && std::filesystem::exists(in, ignored)) {
    return line.fail(Error{ErrorCode::invalid_argument, in + ": is no folder; siskin quantize rewrites GGUF files"});
  }
  return write_model(line, "convert", in, out, options);
}

}  // namespace siskin::cli
