// siskin overlay: settings of a mixture's experts as a small file over a model that stays as it is.
#include <fmt/format.h>
#include <siskin/expert_knobs.h>
#include <siskin/trace.h>

#include <nlohmann/json.hpp>
#include <string>

#include "examples/siskin/cli/command_line.h"
#include "examples/siskin/cli/expert_flags.h"
#include "examples/siskin/cli/verbs.h"
#include "examples/siskin/commands.h"

namespace siskin::cli {
namespace {

using Json = nlohmann::ordered_json;

size_t dropped(const ExpertKnobs& knobs) {
  size_t n = 0;
  for (const auto& layer : knobs.drop) n += layer.size();
  return n;
}

Json to_document(const Overlay& overlay) {
  Json document = {{"model", overlay.model}, {"identity", fmt::format("{:016x}", overlay.identity)}};
  document["expert_top_k"] = overlay.experts.top_k.empty() ? Json(nullptr) : Json(overlay.experts.top_k);
  document["expert_min_p"] = overlay.experts.min_probability ? Json(*overlay.experts.min_probability) : Json(nullptr);
  document["drop"] = overlay.experts.drop;
  document["dropped"] = dropped(overlay.experts);
  return document;
}

void print_overlay(const Overlay& overlay) {
  fmt::print("for      {} ({:016x})\n", overlay.model, overlay.identity);
  if (!overlay.experts.top_k.empty()) fmt::print("top-k    {}\n", fmt::join(overlay.experts.top_k, ", "));
  if (overlay.experts.min_probability) fmt::print("min-p    {}\n", *overlay.experts.min_probability);
  if (overlay.experts.drop.empty()) return;
  fmt::print("dropped  {} experts\n", dropped(overlay.experts));
  for (size_t layer = 0; layer < overlay.experts.drop.size(); ++layer) {
    if (!overlay.experts.drop[layer].empty()) fmt::print("  layer {:>3}: {}\n", layer, fmt::join(overlay.experts.drop[layer], ", "));
  }
}

struct MakeFlags {
  std::string out, trace;
  size_t drop = 0;
  ExpertFlags experts;
};

Result<Overlay> make(const MakeFlags& flags, const std::string& model) {
  const auto info = Model::inspect(model);
  if (!info) return info.error();
  auto knobs = expert_knobs(flags.experts);
  if (!knobs) return std::move(knobs).error();
  if (!flags.trace.empty()) {
    const auto trace = load_trace(flags.trace);
    if (!trace) return trace.error();
    if (trace->identity != info->identity) {
      return Error{ErrorCode::invalid_argument, fmt::format("{}: was recorded of another model, '{}'", flags.trace, trace->model)};
    }
    if (const auto status = drop_least_used(*trace, flags.drop, *knobs); !status) return status.error();
  }
  if (knobs->empty()) return Error{ErrorCode::invalid_argument, "nothing to set: --expert-top-k, --expert-min-p, --expert-mask or --from-trace"};
  if (const auto status = check_knobs(*info, *knobs); !status) return status.error();
  return Overlay{info->name, info->identity, *std::move(knobs)};
}

int make_command(int argc, const char* const* argv) {
  CommandLine line("siskin", "overlay make", "Write settings of a mixture's experts for one model");
  MakeFlags flags;
  line.with_model();
  CLI::App& app = line.app();
  app.add_option("OUT", flags.out, "The overlay to write")->required()->type_name("");
  add_expert_flags(line, flags.experts);
  auto* trace = app.add_option("--from-trace", flags.trace, "A trace of this model, for --drop")->type_name("TRACE");
  app.add_option("--drop", flags.drop, "Drop the N experts of each layer that the trace used least")
      ->check(integer_in(1, 1 << 16))
      ->needs(trace)
      ->excludes("--expert-mask")
      ->type_name("N");
  line.with_json();
  if (const auto status = line.parse(argc, argv)) return *status;
  if (!flags.trace.empty() && flags.drop == 0) return line.misuse("--from-trace: --drop N says how many experts go");
  const auto overlay = make(flags, line.flags.model);
  if (!overlay) return line.fail(overlay.error());
  if (const auto saved = save_overlay(flags.out, *overlay); !saved) return line.fail(saved.error());
  if (line.flags.json) return line.print_json(to_document(*overlay));
  fmt::print("wrote    {}\n", flags.out);
  print_overlay(*overlay);
  return line.finish_stdout();
}

int show_command(int argc, const char* const* argv) {
  CommandLine line("siskin", "overlay show", "What an overlay sets");
  std::string in;
  line.app().add_option("OVERLAY", in, "An overlay")->required()->type_name("");
  line.with_json();
  if (const auto status = line.parse(argc, argv)) return *status;
  const auto overlay = load_overlay(in);
  if (!overlay) return line.fail(overlay.error());
  if (line.flags.json) return line.print_json(to_document(*overlay));
  print_overlay(*overlay);
  return line.finish_stdout();
}

constexpr Verb kVerbs[] = {
    {"make", "MODEL OUT with --expert-top-k, --expert-min-p, --expert-mask, --from-trace TRACE --drop N", make_command},
    {"show", "what an OVERLAY sets", show_command}};

}  // namespace

int overlay_command(int argc, const char* const* argv) { return run_verb("overlay", kVerbs, argc, argv); }

}  // namespace siskin::cli
