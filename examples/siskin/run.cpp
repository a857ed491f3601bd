// siskin run: generates a continuation, streaming, and says what it cost.
#include <fmt/format.h>
#include <siskin/session.h>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "examples/siskin/cli/command_line.h"
#include "examples/siskin/cli/drive.h"
#include "examples/siskin/cli/expert_flags.h"
#include "examples/siskin/cli/interrupt.h"
#include "examples/siskin/commands.h"

namespace siskin::cli {
namespace {

struct RunFlags {
  std::string prompt, file;
  Sampling sampling;
  int64_t seed = -1;
  std::vector<std::string> stop;
  ExpertFlags experts;
  double budget_ms = 0;
  bool ignore_eos = false, report = false, raw = false, deterministic = false, copy_packed = false;
};

void add_flags(CommandLine& line, RunFlags& flags) {
  CLI::App& app = line.app();
  auto* prompt = app.add_option("-p,--prompt", flags.prompt, "The text to continue")->type_name("TEXT");
  app.add_option("-f,--file", flags.file, "A file that holds the text to continue; - is stdin")
      ->excludes(prompt)
      ->type_name("FILE");
  Sampling& sampling = flags.sampling;
  app.add_option("--temp", sampling.temperature, "Temperature; 0 is greedy (default: 0.8)")
      ->check(real_in(0, 1000))
      ->envname("SISKIN_TEMP")
      ->type_name("X");
  app.add_option("--top-k", sampling.top_k, "Keep the k likeliest tokens; 0 keeps all (default: 40)")
      ->check(integer_in(0, std::numeric_limits<int32_t>::max()))
      ->envname("SISKIN_TOP_K")
      ->type_name("N");
  app.add_option("--top-p", sampling.top_p, "Keep the likeliest tokens up to this probability (default: 0.95)")
      ->check(real_in(0, 1))
      ->envname("SISKIN_TOP_P")
      ->type_name("X");
  app.add_option("--min-p", sampling.min_p, "Drop tokens below this share of the likeliest (default: 0.05)")
      ->check(real_in(0, 1))
      ->envname("SISKIN_MIN_P")
      ->type_name("X");
  app.add_option("--repeat-penalty", sampling.repeat_penalty, "Penalty of the last 64 tokens; 1 is none (default: 1)")
      ->check(real_in(0.01, 100))
      ->envname("SISKIN_REPEAT_PENALTY")
      ->type_name("X");
  app.add_option("--seed", flags.seed, "Seed of the sampling; -1 draws one (default: -1)")
      ->check(integer_in(-1, std::numeric_limits<int64_t>::max()))
      ->envname("SISKIN_SEED")
      ->type_name("N");
  app.add_flag("--copy-packed", flags.copy_packed,
               "Copy a packed file's weights into memory instead of mapping them: for file systems without huge pages");
  app.add_option("--stop", flags.stop, "End before this text; may be given several times")
      ->expected(1)
      ->take_all()
      ->type_name("TEXT");
  add_expert_flags(line, flags.experts);
  app.add_option("--budget-ms", flags.budget_ms, "Take only so many experts per token that a generated one keeps to this time; measured as it goes")
      ->check(real_in(0.001, 1e9))
      ->envname("SISKIN_BUDGET_MS")
      ->type_name("MS");
  app.add_flag("--ignore-eos", flags.ignore_eos, "Generate past the end-of-text token");
  app.add_flag("--report", flags.report, "Print the ledger, the kernels that ran and the share of this machine's limits");
  app.add_flag("--deterministic", flags.deterministic, "One kernel family for every batch size: the same bits however a prompt is cut")
      ->envname("SISKIN_DETERMINISTIC");
  app.add_flag("--raw", flags.raw, "Take the text as it is, without a chat template (the only mode so far)");
  line.without("--chat");
}

Result<std::string> prompt_text(const RunFlags& flags) {
  if (flags.file.empty()) return flags.prompt;
  auto text = read_text(flags.file);
  // An editor's final newline is not part of the prompt.
  if (text && !text->empty() && text->back() == '\n') text->pop_back();
  return text;
}

nlohmann::ordered_json to_document(const Completion& completion, const Model& model, const Session& session, uint64_t seed) {
  const Timing& timing = completion.timing;
  return {{"text", completion.text},
          {"ids", completion.ids},
          {"prompt_tokens", completion.prompt_tokens},
          {"tokens", completion.ids.size()},
          {"finish_reason", finish_reason_name(completion.finish_reason)},
          {"timing",
           {{"load_s", model.load_seconds()},
            {"first_token_s", timing.first_token_s},
            {"prefill_s", timing.prefill_s},
            {"decode_s", timing.decode_s},
            {"total_s", timing.total_s},
            {"prefill_tok_s", per_second(completion.cost.prefill.tokens, timing.prefill_s)},
            {"decode_tok_s", per_second(completion.cost.decode.tokens, timing.decode_s)}}},
          {"expert_top_k", model.info().n_experts > 0 ? nlohmann::ordered_json(completion.expert_top_k) : nlohmann::ordered_json(nullptr)},
          {"isa", model.isa()},
          {"threads", session.threads()},
          {"seed", seed},
          {"cost", cost_json(completion.cost)}};
}

void print_report(const Completion& completion, const Model& model, const Session& session, const MachineProfile* machine) {
  const Timing& timing = completion.timing;
  const Cost& cost = completion.cost;
  fmt::print("\nload     {:.3f} s\n", model.load_seconds());
  fmt::print("prefill  {} tokens in {:.4f} s, {:.1f} tok/s\n", cost.prefill.tokens, timing.prefill_s,
             per_second(cost.prefill.tokens, timing.prefill_s));
  fmt::print("decode   {} tokens in {:.4f} s, {:.1f} tok/s; finished: {}\n", cost.decode.tokens, timing.decode_s,
             per_second(cost.decode.tokens, timing.decode_s), finish_reason_name(completion.finish_reason));
  fmt::print("kernels  {} with {} threads\n", model.isa(), session.threads());
  if (completion.expert_top_k > 0) fmt::print("experts  {} per token at the end, at most\n", completion.expert_top_k);
  if (model.info().expert_slots > 0) fmt::print("memory   has room for {} experts at once\n", model.info().expert_slots);
  if (machine != nullptr)
    fmt::print("machine  {}, reads {:.1f} GB/s at most (measured {})\n", machine->cpu, machine->read_gb_s_max,
               machine->measured_at);
  fmt::print("\n{}", to_text(cost));
}

Result<Request> make_request(const RunFlags& flags, const CommonFlags& common, const Model& model, size_t ctx) {
  auto text = prompt_text(flags);
  if (!text) return std::move(text).error();
  auto tokens = model.tokenize(*text);
  if (!tokens) return std::move(tokens).error();
  if (tokens->empty()) return Error{ErrorCode::invalid_argument, "the prompt is empty and the model has no start token"};
  Request request;
  request.tokens = *std::move(tokens);
  request.max_new_tokens = common.predict < 0 ? ctx : static_cast<size_t>(common.predict);
  request.sampling = flags.sampling;
  request.stop = flags.stop;
  request.ignore_eos = flags.ignore_eos;
  auto experts = expert_knobs(flags.experts);
  if (!experts) return std::move(experts).error();
  request.experts = *std::move(experts);
  request.budget_ms = flags.budget_ms;
  return request;
}

}  // namespace

int run_command(int argc, const char* const* argv) {
  CommandLine line("siskin", "run", "Generate a continuation of a text");
  RunFlags flags;
  line.with_model();
  add_flags(line, flags);
  line.with_predict().with_ctx("Most positions, prompt included (default: the trained context, at most 4096)");
  line.with_threads().with_batch().with_kv().with_loading().with_json();
  if (const auto status = line.parse(argc, argv)) return *status;
  const CommonFlags& common = line.flags;
  if (flags.file.empty() && line.app().count("--prompt") == 0) return line.misuse("a prompt is needed: -p TEXT or -f FILE");
  const bool empty_stop = std::any_of(flags.stop.begin(), flags.stop.end(), [](const auto& text) { return text.empty(); });
  if (empty_stop) return line.misuse("--stop: an empty text would end at once");

  const auto machine = machine_for(flags.report ? MachineNeed::measured : MachineNeed::cached, common.progress);
  if (!machine) return line.fail(machine.error());
  const auto model = load_model(common.model, {common.threads, common.ctx, common.progress, flags.copy_packed, common.ram_bytes, common.overlay});
  if (!model) return line.fail(model.error());

  SessionOptions options;
  options.threads = common.threads;
  options.ctx = common.ctx;
  options.batch = common.batch;
  options.kv_type = common.kv_type;
  options.max_requests = 1;
  options.deterministic = flags.deterministic;
  options.machine = *machine;
  auto session = Session::create(*model, options);
  if (!session) return line.fail(session.error());

  const size_t ctx = common.ctx != 0 ? common.ctx : (*model)->info().ctx;
  auto request = make_request(flags, common, **model, ctx);
  if (!request) return line.fail(request.error());
  const uint64_t seed = flags.seed < 0 ? std::random_device{}() : static_cast<uint64_t>(flags.seed);
  request->sampling.seed = seed;
  const size_t most = request->max_new_tokens;
  Progress progress("generate", "tokens", common.json ? common.progress : ProgressMode::off);
  request->on_token = [&](const TokenEvent& event) {
    if (common.json) {
      progress.update(event.index + 1, most);
    } else {
      std::fwrite(event.text.data(), 1, event.text.size(), stdout);
      std::fflush(stdout);
    }
    return !interrupted();
  };

  const auto completion = run_to_end(**session, *std::move(request));
  progress.clear();
  if (!completion) return line.fail(completion.error());
  int status = 0;
  if (common.json) {
    status = line.print_json(to_document(*completion, **model, **session, seed));
  } else {
    fmt::print("\n");
    if (flags.report) print_report(*completion, **model, **session, machine->get());
    status = line.finish_stdout();
  }
  if (completion->finish_reason == FinishReason::cancelled) return line.fail({ErrorCode::cancelled, "interrupted"});
  return status;
}

}  // namespace siskin::cli
