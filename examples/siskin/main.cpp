// siskin: the command line. Finds the command and hands it its arguments.
#include <fmt/format.h>
#include <siskin/version.h>

#include <cstdio>
#include <exception>
#include <string_view>

#include "examples/siskin/cli/command_line.h"
#include "examples/siskin/cli/interrupt.h"
#include "examples/siskin/commands.h"

namespace {

using namespace siskin;

struct Command {
  std::string_view name;
  std::string_view does;
  int (*run)(int argc, const char* const* argv);
};

constexpr Command kCommands[] = {
    {"inspect", "Architecture, parameters, bytes and memory need of a model", cli::inspect_command},
    {"run", "Generate text, streaming; --report prints what it cost", cli::run_command},
    {"tokenize", "Text to token ids, and back with --decode", cli::tokenize_command},
    {"eval", "Perplexity, bits per byte, multiple choice, divergence", cli::eval_command},
    {"convert", "Write a Hugging Face folder as GGUF", cli::convert_command},
    {"quantize", "Write a model in another type", cli::quantize_command},
    {"pack", "Write a model as the kernels read it, to be mapped at every start", cli::pack_command},
    {"synth", "Write a model of a named shape with random weights", cli::synth_command},
    {"trace", "Which experts a text uses: record, stats, replay, diff", cli::trace_command},
    {"overlay", "Settings of a mixture's experts in a small file over a model: make, show", cli::overlay_command},
    {"machine", "This machine's bandwidth and peak arithmetic, measured", cli::machine_command},
};

// Names that are promised and not built: they say so instead of being unknown.
constexpr std::string_view kNotBuilt[] = {"prune", "serve", "calibrate", "teach", "embed", "classify"};

int print_help() {
  fmt::print("siskin {}: runs mixture-of-experts, sparse and dense models on CPUs and says what they cost\n\n", version());
  fmt::print("Usage: siskin COMMAND [OPTIONS]\n\nCommands:\n");
  for (const Command& command : kCommands) fmt::print("  {:<10} {}\n", command.name, command.does);
  fmt::print(
      "\n`siskin COMMAND --help` lists a command's options.\n"
      "A model is a GGUF file, a packed file or a Hugging Face folder.\n"
      "Exit: 0 success, 1 failed, 2 wrong usage, 130 interrupted.\n");
  return 0;
}

int dispatch(int argc, const char* const* argv) {
  const std::string_view name = argc > 1 ? argv[1] : "";
  if (name == "--help" || name == "-h" || name == "help") return print_help();
  if (name == "--version") {
    fmt::print("siskin {}\n", version());
    return 0;
  }
  if (name.empty()) {
    cli::print_error("siskin", "a command is needed; see siskin --help");
    return cli::kUsageExit;
  }
  for (const Command& command : kCommands)
    if (command.name == name) return command.run(argc - 1, argv + 1);
  for (const std::string_view missing : kNotBuilt) {
    if (missing != name) continue;
    cli::print_error("siskin", fmt::format("{}: not built yet", name));
    return cli::kUsageExit;
  }
  cli::print_error("siskin", fmt::format("unknown {} '{}'; see siskin --help", name[0] == '-' ? "flag" : "command", name));
  return cli::kUsageExit;
}

}  // namespace

int main(int argc, char** argv) {
  cli::catch_interrupts();
  try {
    return dispatch(argc, argv);
  } catch (const std::exception& error) {
    cli::print_error("siskin", error.what());
    return cli::kFailedExit;
  }
}
