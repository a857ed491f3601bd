// siskin-bench: prefill and decode speed of models, what they read and how close to the machine's limits that is.
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <siskin/eval.h>
#include <siskin/machine.h>
#include <siskin/trace.h>

#include <algorithm>
#include <ctime>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench/siskin_bench/counters.h"
#include "bench/siskin_bench/explain.h"
#include "bench/siskin_bench/output.h"
#include "bench/siskin_bench/peer.h"
#include "bench/siskin_bench/plan.h"
#include "bench/siskin_bench/row.h"
#include "examples/siskin/cli/command_line.h"
#include "examples/siskin/cli/drive.h"
#include "examples/siskin/cli/interrupt.h"

namespace {

using namespace siskin;
using namespace siskin::bench;

struct Flags {
  std::vector<std::string> models;
  Lists lists;
  uint64_t repetitions = 5;
  bool explain = false;
  Format format = Format::md;
  std::string text, peer;
  uint64_t text_ctx = 512, chunks = 0;
  KvType kv_type = KvType::f16;
  bool copy_packed = false;
  uint64_t ram_bytes = 0;
  std::string overlay, trace;
};

const std::map<std::string, Format> kFormats = {
    {"md", Format::md}, {"csv", Format::csv}, {"json", Format::json}, {"jsonl", Format::jsonl}};

CLI::Option* add_list(CLI::App& app, const std::string& names, std::vector<uint64_t>& list, const std::string& meaning,
                      int64_t low) {
  constexpr int64_t kMost = 1 << 24;
  return app.add_option(names, list, meaning)
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(cli::integer_in(low, kMost))
      ->type_name("N,...");
}

void add_flags(cli::CommandLine& line, Flags& flags) {
  CLI::App& app = line.app();
  app.add_option("-m,--model,MODEL", flags.models, "GGUF files, packed files or Hugging Face folders")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->required()
      ->envname("SISKIN_MODEL")
      ->type_name("MODEL,...");
  add_list(app, "-p,--n-prompt", flags.lists.prompts, "Prefill tests: prompt lengths; 0 leaves them out (default: 512)", 0);
  add_list(app, "-n,--n-gen,--predict", flags.lists.generations,
           "Decode tests: tokens to generate; 0 leaves them out (default: 64)", 0)
      ->envname("SISKIN_PREDICT");
  add_list(app, "-t,--threads", flags.lists.threads, "Thread counts (default: all that this process may use)", 1)
      ->envname("SISKIN_THREADS");
  add_list(app, "-b,--batch", flags.lists.batches, "Most tokens of one step (default: 512)", 1)->envname("SISKIN_BATCH");
  add_list(app, "--parallel", flags.lists.parallel, "Decode tests: requests in one step, each its own text (default: 1)", 1);
  add_list(app, "--top-k", flags.lists.top_k,
           "Decode tests: experts per token, 0 is the model's; two or more add the fit t = a + b k (default: 0)", 0);
  app.add_flag("--explain", flags.explain, "Add a waterfall: from the limit to the measured step, loss by loss");
  app.add_option("-r,--repetitions", flags.repetitions, "Repetitions after the warm-up (default: 5)")
      ->check(cli::integer_in(1, 100000))
      ->type_name("N");
  app.add_option_function<std::string>(
         "-o,--output", [&flags](const std::string& name) { flags.format = kFormats.at(name); }, "Output (default: md)")
      ->check(cli::one_of({"md", "csv", "json", "jsonl"}))
      ->type_name("md|csv|json|jsonl");
  app.add_option("--text", flags.text, "Add bits per byte on this text")->type_name("FILE");
  app.add_option("-c,--ctx", flags.text_ctx, "Window of --text (default: 512)")
      ->check(cli::integer_in(2, 1 << 24))
      ->envname("SISKIN_CTX")
      ->type_name("N");
  app.add_option("--chunks", flags.chunks, "Windows of --text; 0 is all (default: 0)")
      ->check(cli::integer_in(0, 1LL << 40))
      ->type_name("N");
  app.add_flag("--copy-packed", flags.copy_packed,
               "Copy a packed file's weights into memory instead of mapping them: for file systems without huge pages");
  app.add_option("--trace", flags.trace, "Route tokens as this trace of `siskin trace record` says, not as the model does")
      ->type_name("TRACE");
  app.add_option("--peer", flags.peer, "A command that prints llama-bench JSON, run in turn with ours; prints the ratios")
      ->type_name("COMMAND");
  line.with_kv().with_loading().with_progress().without("--sparse-vs-dense");
}

std::string now() { return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr))); }

// Measures every row of the plan; what is finished is printed even when a later row fails or Ctrl-C ends the run.
class Bench {
 public:
  Bench(const Flags& flags, cli::ProgressMode progress)
      : flags_(flags), progress_(progress), output_(flags.format, !flags.text.empty()) {}

  Status run() {
    MachineOptions known;
    known.measure = false;
    if (const auto machine = machine_profile(known)) cpu_ = (*machine)->cpu;
    Status status;
    for (const std::string& file : flags_.models) {
      status = run_model(file);
      if (!status) break;
    }
    output_.finish();
    return status;
  }

 private:
  Status run_model(const std::string& file) {
    auto tests = cross(flags_.lists);
    std::shared_ptr<const RoutingTrace> routing;
    if (!flags_.trace.empty()) {
      auto trace = load_trace(flags_.trace);
      if (!trace) return std::move(trace).error();
      routing = std::make_shared<const RoutingTrace>(*std::move(trace));
    }
    for (Test& test : tests) {
      test.kv_type = flags_.kv_type;
      test.routing = routing;
    }
    size_t longest = 0;
    for (const Test& test : tests) longest = std::max(longest, test.n + 1);
    const auto most_threads =
        static_cast<unsigned>(*std::max_element(flags_.lists.threads.begin(), flags_.lists.threads.end()));
    auto model = cli::load_model(file, {most_threads, longest, progress_, flags_.copy_packed, flags_.ram_bytes, flags_.overlay});
    if (!model) return std::move(model).error();

    Row row;
    row.file = file;
    row.model = (*model)->info();
    row.isa = (*model)->isa();
    row.cpu = cpu_;
    auto bits = bits_per_byte(*model);
    if (!bits) return std::move(bits).error();
    row.bits_per_byte = *bits;
    return flags_.peer.empty() ? run_alone(*model, row, tests) : run_beside_peer(*model, row, tests);
  }

  Result<std::optional<double>> bits_per_byte(const std::shared_ptr<const Model>& model) {
    if (flags_.text.empty()) return std::optional<double>();
    auto text = cli::read_text(flags_.text);
    if (!text) return std::move(text).error();
    cli::Progress progress("bits per byte", "windows", progress_);
    EvalOptions options;
    options.ctx = flags_.text_ctx;
    options.chunks = flags_.chunks;
    options.kv_type = flags_.kv_type;
    options.on_progress = [&](size_t done, size_t total) {
      progress.update(done, total);
      return !cli::interrupted();
    };
    auto score = evaluate_perplexity(model, *text, options);
    if (!score) return std::move(score).error();
    return std::optional<double>(score->bits_per_byte);
  }

  // Tests of a group take turns, each on a session of its own, after a warm-up of all.
  Status run_alone(const std::shared_ptr<const Model>& model, const Row& base, const std::vector<Test>& tests) {
    for (size_t first = 0, end = 0; first < tests.size(); first = end) {
      std::vector<Row> rows;
      for (end = first; end < tests.size() && tests[end].same_group(tests[first]); ++end) {
        rows.push_back(base);
        rows.back().test = tests[end];
      }
      const Status status = run_group(model, rows);
      for (const Row& row : rows) {
        if (!row.samples.empty()) output_.add(row);
      }
      if (!status) return status;
    }
    return {};
  }

  Status run_group(const std::shared_ptr<const Model>& model, std::vector<Row>& rows) {
    Moment moment;
    std::vector<std::unique_ptr<Session>> sessions;
    for (Row& row : rows) {
      auto session = session_for(model, row.test);
      if (!session) return std::move(session).error();
      sessions.push_back(*std::move(session));
      row.time = now();
    }
    cli::Progress progress(fmt::format("{} -t {}", rows.front().test.name(), rows.front().test.threads), "rounds", progress_);
    Status status;
    for (uint64_t round = 0; round <= flags_.repetitions && status; ++round) {
      progress.update(round, flags_.repetitions + 1);
      for (size_t i = 0; i < rows.size() && status; ++i) {
        auto sample = run_paired(*sessions[i], rows[i].test, moment);
        if (!sample) {
          status = std::move(sample).error();
        } else if (round > 0) {
          rows[i].samples.push_back(*std::move(sample));
        }
      }
    }
    for (size_t i = 0; i < rows.size() && status && flags_.explain; ++i) status = explain_row(*sessions[i], rows[i]);
    progress.clear();
    return status;
  }

  // One more run, with the clock on.
  Status explain_row(Session& session, Row& row) {
    StepProfile profile;
    const bool prefill = row.test.phase == Phase::prefill;
    session.profile_into(prefill ? &profile : nullptr, prefill ? nullptr : &profile);
    const Counts before = counters_.read();
    Moment moment;
    auto run = run_paired(session, row.test, moment);
    const Counts counts = counters_.read() - before;
    session.profile_into(nullptr, nullptr);
    if (!run) return std::move(run).error();
    row.explanation = explain(row.model, row.test, row.samples, *run, profile, counts);
    return {};
  }

  // A B A B: in each round every test of ours runs once, then the peer's command, so that slow drifts of the machine hit both.
  Status run_beside_peer(const std::shared_ptr<const Model>& model, const Row& base, const std::vector<Test>& tests) {
    std::vector<Row> rows(tests.size(), base);
    for (size_t i = 0; i < tests.size(); ++i) rows[i].test = tests[i];
    cli::Progress progress("pairs", "rounds", progress_);
    Status status;
    for (uint64_t round = 0; round < flags_.repetitions && status; ++round) {
      progress.update(round, flags_.repetitions);
      status = run_round(model, rows);
    }
    progress.clear();
    for (const Row& row : rows)
      if (!row.pairs.empty()) output_.add(row);
    return status;
  }

  Status run_round(const std::shared_ptr<const Model>& model, std::vector<Row>& rows) {
    std::vector<Sample> samples;
    for (Row& row : rows) {
      if (row.time.empty()) row.time = now();
      auto session = session_for(model, row.test);
      if (!session) return std::move(session).error();
      // The session is new: its first run warms it up, as the peer's own warm-up does.
      auto warm_up = run_once(**session, row.test);
      if (!warm_up) return std::move(warm_up).error();
      Moment moment;
      auto sample = run_paired(**session, row.test, moment);
      if (!sample) return std::move(sample).error();
      samples.push_back(*std::move(sample));
    }
    auto peer = run_peer(flags_.peer);
    if (!peer) return std::move(peer).error();
    for (size_t i = 0; i < rows.size(); ++i) {
      auto speed = peer_speed(*peer, rows[i].test);
      if (!speed) return std::move(speed).error();
      rows[i].pairs.push_back({samples[i].tokens_per_second(), *speed});
      rows[i].samples.push_back(samples[i]);
    }
    return {};
  }

  const Flags& flags_;
  cli::ProgressMode progress_;
  Output output_;
  Counters counters_;
  std::string cpu_;
};

int bench_main(int argc, const char* const* argv) {
  cli::CommandLine line(
      "siskin-bench", "",
      "Prefill and decode speed of models, with bytes read and shares of what this machine gives at that moment");
  Flags flags;
  add_flags(line, flags);
  if (const auto status = line.parse(argc, argv)) return *status;
  if (flags.lists.threads.empty()) flags.lists.threads = {usable_threads()};
  flags.kv_type = line.flags.kv_type;
  flags.ram_bytes = line.flags.ram_bytes;
  flags.overlay = line.flags.overlay;
  if (cross(flags.lists).empty()) return line.misuse("nothing to measure: -p and -n are both 0");
  if (!flags.peer.empty() && flags.models.size() != 1) return line.misuse("--peer compares one model; give one with -m");

  Bench bench(flags, line.flags.progress);
  const auto status = bench.run();
  const int written = line.finish_stdout();
  if (!status) return line.fail(status.error());
  return written;
}

}  // namespace

int main(int argc, char** argv) {
  siskin::cli::catch_interrupts();
  try {
    return bench_main(argc, argv);
  } catch (const std::exception& error) {
    siskin::cli::print_error("siskin-bench", error.what());
    return siskin::cli::kFailedExit;
  }
}
