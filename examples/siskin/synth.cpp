// siskin synth: writes a model of a named shape with random weights, to measure speed without a download.
#include <fmt/format.h>
#include <siskin/synth.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "examples/siskin/cli/command_line.h"
#include "examples/siskin/cli/interrupt.h"
#include "examples/siskin/cli/progress.h"
#include "examples/siskin/cli/units.h"
#include "examples/siskin/commands.h"

namespace siskin::cli {
namespace {

// A bare name ("llama-3.2-1b") means a shape file that came with the program: beside an installed one, or in the source tree that a
// built one lies in. Anything else is a path.
std::string find_shape(const std::string& like) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::exists(like, error) || like.find('/') != std::string::npos) return like;
  const fs::path programs = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const char* folder : {"../share/siskin/shapes", "../../../bench/shapes"}) {
    const fs::path file = programs / folder / (like + ".txt");
    if (fs::exists(file, error)) return file.lexically_normal().string();
  }
  return like;
}

}  // namespace

int synth_command(int argc, const char* const* argv) {
  CommandLine line("siskin", "synth", "Write a model of a named shape with random weights; its text means nothing");
  std::string out;
  SynthOptions options;
  CLI::App& app = line.app();
  app.add_option("OUT", out, "The GGUF file to write")->required()->type_name("");
  app.add_option("--like", options.like, "A shape's name (llama-3.2-1b, ...) or file, a config.json or a GGUF file")
      ->required()
      ->type_name("SHAPE");
  app.add_option(
         "--type", options.type,
         "f32, f16, bf16, q8_0, q6_k, q5_k, q5_1, q5_0, q4_k, q4_1, q4_0, iq4_nl, iq4_xs, q3_k, q2_k or mxfp4 (default: q8_0)")
      ->envname("SISKIN_TYPE")
      ->type_name("T");
  app.add_option("--layers", options.layers, "Layers; 0 takes the shape's (default: 0)")
      ->check(integer_in(0, 1 << 20))
      ->envname("SISKIN_LAYERS")
      ->type_name("N");
  app.add_option("--seed", options.seed, "Seed of the weights (default: 1)")
      ->check(integer_in(0, INT64_MAX))
      ->envname("SISKIN_SEED")
      ->type_name("N");
  app.add_option("--router-skew", options.router_skew, "Expert popularity falls like rank^-z; 0 is uniform (default: 0)")
      ->check(real_in(0, 10))
      ->envname("SISKIN_ROUTER_SKEW")
      ->type_name("Z");
  line.with_threads().with_json();
  if (const auto status = line.parse(argc, argv)) return *status;

  options.like = find_shape(options.like);
  Progress progress("write", "B", line.flags.progress);
  options.type = lower(options.type);
  options.threads = line.flags.threads;
  options.on_progress = [&](uint64_t done, uint64_t total) {
    progress.update(done, total);
    return !interrupted();
  };
  const auto report = synthesize_model(out, options);
  progress.clear();
  if (!report) return line.fail(report.error());
  if (line.flags.json)
    return line.print_json({{"total_params", report->total_params},
                            {"active_params", report->active_params},
                            {"bytes", report->bytes},
                            {"seconds", report->seconds}});
  fmt::print("wrote  {}: {} parameters, {} active, {}, {:.2f} s\n", out, human_count(static_cast<double>(report->total_params)),
             human_count(static_cast<double>(report->active_params)), human_bytes(static_cast<double>(report->bytes)),
             report->seconds);
  return line.finish_stdout();
}

}  // namespace siskin::cli
