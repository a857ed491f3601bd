// siskin eval: quality of a model, measured: perplexity, documents, multiple choice, divergence from a reference.
#include <fmt/format.h>
#include <siskin/eval.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "examples/siskin/cli/command_line.h"
#include "examples/siskin/cli/drive.h"
#include "examples/siskin/cli/expert_flags.h"
#include "examples/siskin/cli/interrupt.h"
#include "examples/siskin/commands.h"
#include "examples/siskin/eval_items.h"

namespace siskin::cli {
namespace {

struct EvalFlags {
  std::string text, items, tasks, against;
  ExpertFlags experts;
  EvalOptions options;
};

const char* path_name(EvalPath path) { return path == EvalPath::decode ? "decode" : "prefill"; }

void add_flags(CommandLine& line, EvalFlags& flags) {
  CLI::App& app = line.app();
  auto* text = app.add_option("--text", flags.text, "Perplexity of this text, in windows of -c tokens")->type_name("FILE");
  app.add_option("--items", flags.items, "Documents scored whole: JSON lines {\"text\": ...}")
      ->excludes(text)
      ->type_name("FILE");
  app.add_option("--tasks", flags.tasks, "Multiple choice: JSON lines {\"prompt\": ..., \"choices\": [...], \"answer\": n}")
      ->excludes(text)
      ->excludes("--items")
      ->type_name("FILE");
  app.add_option("--against", flags.against, "A reference model: divergence from it on --text")
      ->needs(text)
      ->envname("SISKIN_AGAINST")
      ->type_name("MODEL");
  app.add_option("--chunks", flags.options.chunks, "Windows, documents or tasks to score; 0 is all (default: 0)")
      ->check(integer_in(0, 1LL << 40))
      ->envname("SISKIN_CHUNKS")
      ->type_name("N");
  app.add_option_function<std::string>(
         "--path",
         [&flags](const std::string& name) { flags.options.path = name == "decode" ? EvalPath::decode : EvalPath::prefill; },
         "Which kernels score: prefill or decode (default: prefill)")
      ->check(one_of({"prefill", "decode"}))
      ->type_name("PATH");
  add_expert_flags(line, flags.experts);
  app.add_flag("--deterministic", flags.options.deterministic, "One kernel family for every batch size")
      ->envname("SISKIN_DETERMINISTIC");
}

using ModelPtr = std::shared_ptr<const Model>;

Result<nlohmann::ordered_json> perplexity_document(const ModelPtr& model, const std::string& text, const EvalOptions& options) {
  const auto score = evaluate_perplexity(model, text, options);
  if (!score) return score.error();
  return nlohmann::ordered_json{{"perplexity", score->perplexity},
                                {"perplexity_stderr", score->perplexity_stderr},
                                {"bits_per_byte", score->bits_per_byte},
                                {"tokens", score->tokens},
                                {"chunks", score->chunks},
                                {"path", path_name(options.path)}};
}

Result<nlohmann::ordered_json> divergence_document(const ModelPtr& model, const ModelPtr& reference, const std::string& text,
                                                   const EvalOptions& options) {
  const auto score = evaluate_divergence(model, reference, text, options);
  if (!score) return score.error();
  return nlohmann::ordered_json{{"kld_mean", score->kld_mean},
                                {"kld_p99", score->kld_p99},
                                {"same_top", score->same_top},
                                {"ppl_ratio", score->ppl_ratio},
                                {"ppl_ratio_stderr", score->ppl_ratio_stderr},
                                {"tokens", score->tokens},
                                {"path", path_name(options.path)}};
}

// One line per number, for people; lists of items are for --json.
void print_text(const nlohmann::ordered_json& document) {
  for (const auto& [key, value] : document.items()) {
    if (value.is_array()) continue;
    if (value.is_number_float())
      fmt::print("{:<18} {:.6g}\n", key, value.get<double>());
    else
      fmt::print("{:<18} {}\n", key, value.is_string() ? value.get<std::string>() : value.dump());
  }
}

Result<nlohmann::ordered_json> evaluate(const EvalFlags& flags, const CommonFlags& common, EvalOptions options) {
  const LoadFlags load = {common.threads, options.ctx, common.progress, false, common.ram_bytes, common.overlay};
  auto experts = expert_knobs(flags.experts);
  if (!experts) return std::move(experts).error();
  options.experts = *std::move(experts);
  // What is cheap to get wrong is read before the model is.
  std::string text;
  std::vector<nlohmann::json> lines;
  if (!flags.text.empty()) {
    auto read = read_text(flags.text);
    if (!read) return std::move(read).error();
    text = *std::move(read);
  } else {
    auto read = read_json_lines(flags.items.empty() ? flags.tasks : flags.items);
    if (!read) return std::move(read).error();
    lines = *std::move(read);
    if (options.chunks != 0) lines.resize(std::min(lines.size(), options.chunks));
  }
  std::vector<std::string> documents;
  std::vector<ChoiceItem> choices;
  if (!flags.items.empty()) {
    auto parsed = parse_documents(lines, flags.items);
    if (!parsed) return std::move(parsed).error();
    documents = *std::move(parsed);
  } else if (!flags.tasks.empty()) {
    auto parsed = parse_choices(lines, flags.tasks);
    if (!parsed) return std::move(parsed).error();
    choices = *std::move(parsed);
  }

  auto model = load_model(common.model, load);
  if (!model) return std::move(model).error();
  ModelPtr reference;
  if (!flags.against.empty()) {
    std::error_code unknown;
    if (common.overlay.empty() && std::filesystem::equivalent(common.model, flags.against, unknown)) {
      reference = *model;  // against itself: with other experts
    } else {
      LoadFlags as_it_is = load;
      as_it_is.overlay.clear();
      auto loaded = load_model(flags.against, as_it_is);
      if (!loaded) return std::move(loaded).error();
      reference = *std::move(loaded);
    }
  }

  Progress progress("evaluate", flags.text.empty() ? "items" : "windows", common.progress);
  const auto report = [&](size_t done, size_t total) {
    progress.update(done, total);
    return !interrupted();
  };
  if (!documents.empty()) return documents_document(*model, documents, options, path_name(options.path), report);
  if (!choices.empty()) return choices_document(*model, choices, options, path_name(options.path), report);
  options.on_progress = report;
  if (reference) return divergence_document(*model, reference, text, options);
  return perplexity_document(*model, text, options);
}

}  // namespace

int eval_command(int argc, const char* const* argv) {
  CommandLine line("siskin", "eval", "Quality of a model: perplexity, documents, multiple choice, divergence");
  EvalFlags flags;
  line.with_model();
  add_flags(line, flags);
  line.with_ctx("Tokens of a window (default: 512)").with_threads().with_kv().with_loading().with_json();
  if (const auto status = line.parse(argc, argv)) return *status;
  if (flags.text.empty() && flags.items.empty() && flags.tasks.empty())
    return line.misuse("something to score is needed: --text, --items or --tasks FILE");
  if (line.flags.ctx != 0) flags.options.ctx = line.flags.ctx;
  flags.options.kv_type = line.flags.kv_type;
  flags.options.threads = line.flags.threads;

  const auto document = evaluate(flags, line.flags, flags.options);
  if (!document) return line.fail(document.error());
  int status = 0;
  if (line.flags.json) {
    status = line.print_json(*document);
  } else {
    print_text(*document);
    status = line.finish_stdout();
  }
  // Interrupted, with what was measured until then printed.
  if (interrupted()) return line.fail({ErrorCode::cancelled, "interrupted"});
  return status;
}

}  // namespace siskin::cli
