// siskin synth: writes a model of a named shape with random weights, to measure speed without a download.
#include <fmt/format.h>
#include <siskin/session.h>
#include <siskin/synth.h>
#include <siskin/trace.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <utility>

#include "examples/siskin/cli/command_line.h"
#include "examples/siskin/cli/drive.h"
#include "examples/siskin/cli/interrupt.h"
#include "examples/siskin/cli/progress.h"
#include "examples/siskin/cli/units.h"
#include "examples/siskin/commands.h"

namespace siskin::cli {
namespace {

// A bare name ("llama-3.2-1b") means a shape file that came with the program: beside an installed one, or in the source tree
// that a built one lies in. Anything else is a path.
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

// The power of the rank by which the experts' shares fall, mean over the layers, on tokens drawn alike from the vocabulary.
Result<double> measured_skew(const std::string& path, const CommonFlags& common) {
  constexpr size_t kTokens = 512, kTexts = 4;
  const auto model = load_model(path, {common.threads, kTokens, common.progress});
  if (!model) return model.error();
  auto trace = new_trace(**model);
  if (!trace) return trace.error();
  SessionOptions options;
  options.threads = common.threads;
  options.ctx = kTokens;
  options.max_requests = 1;
  const auto session = Session::create(*model, options);
  if (!session) return session.error();
  (*session)->trace_into(&*trace);
  std::mt19937_64 random(1);
  for (size_t text = 0; text < kTexts && !interrupted(); ++text) {
    Request request;
    for (size_t i = 0; i < kTokens; ++i) request.tokens.push_back(static_cast<TokenId>(random() % (*model)->info().n_vocab));
    request.max_new_tokens = 0;
    const auto done = run_to_end(**session, std::move(request));
    if (!done) return done.error();
  }
  const TraceStats stats = trace_stats(*trace);
  double sum = 0;
  for (const LayerUse& layer : stats.layers) sum += layer.zipf;
  return stats.layers.empty() ? 0 : sum / static_cast<double>(stats.layers.size());
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
         "f32, f16, bf16, q8_0, q6_k, q5_k, q5_1, q5_0, q4_k, q4_1, q4_0, iq4_nl, iq4_xs, q3_k, q2_k or mxfp4, or a mixture as "
         "of quantize, q4_k_m and the like (default: q8_0)")
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
  const auto skew = options.router_skew > 0 ? measured_skew(out, line.flags) : Result<double>(0.0);
  if (interrupted()) return line.fail({ErrorCode::cancelled, "interrupted"});
  if (line.flags.json) {
    nlohmann::ordered_json document = {{"total_params", report->total_params},
                                       {"active_params", report->active_params},
                                       {"bytes", report->bytes},
                                       {"seconds", report->seconds}};
    if (options.router_skew > 0) {
      document["router_skew"] = options.router_skew;
      document["router_skew_measured"] = skew ? nlohmann::ordered_json(*skew) : nlohmann::ordered_json(nullptr);
    }
    return line.print_json(document);
  }
  fmt::print("wrote  {}: {} parameters, {} active, {}, {:.2f} s\n", out, human_count(static_cast<double>(report->total_params)),
             human_count(static_cast<double>(report->active_params)), human_bytes(static_cast<double>(report->bytes)),
             report->seconds);
  if (options.router_skew > 0 && skew) {
    fmt::print("skew   asked {:.2f}, measured {:.2f} on random tokens (no expert can have more than one use of each token)\n",
               options.router_skew, *skew);
  } else if (options.router_skew > 0) {
    fmt::print("skew   asked {:.2f}, not measured: {}\n", options.router_skew, skew.error().message);
  }
  return line.finish_stdout();
}

}  // namespace siskin::cli
