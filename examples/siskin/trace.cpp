// siskin trace: which experts a text uses: recorded, counted, shown, replayed through a cache, compared.
#include <fmt/format.h>
#include <siskin/session.h>
#include <siskin/trace.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "examples/siskin/cli/command_line.h"
#include "examples/siskin/cli/drive.h"
#include "examples/siskin/cli/expert_flags.h"
#include "examples/siskin/cli/interrupt.h"
#include "examples/siskin/cli/progress.h"
#include "examples/siskin/cli/units.h"
#include "examples/siskin/cli/verbs.h"
#include "examples/siskin/commands.h"

namespace siskin::cli {
namespace {

using Json = nlohmann::ordered_json;

// ---- record ----

// A text's windows of ctx tokens, the last as long as it comes, each begun by BOS where the model has one.
std::vector<std::vector<TokenId>> windows_of(const std::vector<TokenId>& tokens, TokenId bos, size_t ctx, size_t most) {
  std::vector<std::vector<TokenId>> windows;
  for (size_t first = 0; first < tokens.size() && (most == 0 || windows.size() < most); first += ctx) {
    windows.emplace_back(tokens.begin() + static_cast<std::ptrdiff_t>(first),
                         tokens.begin() + static_cast<std::ptrdiff_t>(std::min(tokens.size(), first + ctx)));
    if (bos >= 0 && tokens.front() == bos) windows.back().front() = bos;
  }
  return windows;
}

struct RecordFlags {
  std::string out, text, prompt;
  ExpertFlags experts;
  size_t chunks = 0;
};

Result<RoutingTrace> record(const RecordFlags& flags, const CommonFlags& common) {
  std::string text = flags.prompt;
  if (!flags.text.empty()) {
    auto read = read_text(flags.text);
    if (!read) return std::move(read).error();
    text = *std::move(read);
  }
  const size_t ctx = common.ctx == 0 ? 512 : common.ctx;
  const size_t predict = flags.text.empty() && common.predict > 0 ? static_cast<size_t>(common.predict) : 0;
  const auto model = load_model(common.model, {common.threads, ctx, common.progress, false, common.ram_bytes, common.overlay});
  if (!model) return model.error();
  auto trace = new_trace(**model);
  if (!trace) return trace;
  auto tokens = (*model)->tokenize(text);
  if (!tokens) return std::move(tokens).error();
  if (tokens->empty()) return Error{ErrorCode::invalid_argument, "the text is empty"};
  SessionOptions options;
  options.threads = common.threads;
  options.ctx = ctx;
  options.batch = std::min<size_t>(ctx, common.batch);
  options.max_requests = 1;
  auto experts = expert_knobs(flags.experts);
  if (!experts) return std::move(experts).error();
  options.experts = *std::move(experts);
  const auto session = Session::create(*model, options);
  if (!session) return session.error();
  (*session)->trace_into(&*trace);
  const auto windows = windows_of(*tokens, (*model)->bos(), flags.text.empty() ? tokens->size() : ctx, flags.chunks);
  Progress progress("record", "texts", common.progress);
  for (size_t i = 0; i < windows.size() && !interrupted(); ++i) {
    Request request;
    request.tokens = windows[i];
    request.max_new_tokens = predict;
    request.sampling.temperature = 0;
    const auto done = run_to_end(**session, std::move(request));
    if (!done) return done.error();
    progress.update(i + 1, windows.size());
  }
  return trace;
}

int record_command(int argc, const char* const* argv) {
  CommandLine line("siskin", "trace record", "Record which experts a text uses");
  RecordFlags flags;
  line.with_model();
  CLI::App& app = line.app();
  app.add_option("OUT", flags.out, "The trace to write")->required()->type_name("");
  auto* text = app.add_option("--text", flags.text, "A text, in windows of -c tokens")->type_name("FILE");
  app.add_option("-p,--prompt", flags.prompt, "A text to read and continue greedily by -n tokens")->excludes(text)->type_name("TEXT");
  app.add_option("--chunks", flags.chunks, "Windows of --text; 0 is all (default: 0)")
      ->check(integer_in(0, 1LL << 40))
      ->envname("SISKIN_CHUNKS")
      ->type_name("N");
  add_expert_flags(line, flags.experts);
  line.with_predict().with_ctx("Tokens of a window (default: 512)").with_threads().with_batch().with_loading().with_json();
  if (const auto status = line.parse(argc, argv)) return *status;
  if (flags.text.empty() && flags.prompt.empty()) return line.misuse("a text is needed: --text FILE or -p TEXT");
  const auto trace = record(flags, line.flags);
  if (!trace) return line.fail(trace.error());
  if (interrupted()) return line.fail({ErrorCode::cancelled, "interrupted"});
  const auto saved = save_trace(flags.out, *trace);
  if (!saved) return line.fail(saved.error());
  const Json document = {{"model", trace->model},
                         {"tokens", trace->n_tokens()},
                         {"layers", trace->n_layers},
                         {"experts", trace->n_experts},
                         {"uses", trace->experts.size()}};
  if (line.flags.json) return line.print_json(document);
  fmt::print("wrote  {}: {} tokens through {} layers of {} experts, {} uses\n", flags.out, trace->n_tokens(), trace->n_layers,
             trace->n_experts, trace->experts.size());
  return line.finish_stdout();
}

// ---- stats ----

Json stats_document(const RoutingTrace& trace, const TraceStats& stats) {
  Json layers = Json::array();
  for (const LayerUse& layer : stats.layers) {
    Json experts = Json::array(), pairs = Json::array();
    for (const ExpertUse& expert : layer.experts) {
      experts.push_back({{"tokens", expert.tokens}, {"share", expert.share}, {"mean_weight", expert.mean_weight}});
    }
    for (const ExpertPair& pair : layer.pairs) {
      pairs.push_back({{"experts", {pair.first, pair.second}}, {"tokens", pair.tokens}, {"lift", pair.lift}});
    }
    layers.push_back({{"layer", layer.layer},
                      {"experts_per_token", layer.experts_per_token},
                      {"entropy_bits", layer.entropy_bits},
                      {"balance", layer.balance},
                      {"largest_share", layer.largest_share},
                      {"unused", layer.unused},
                      {"zipf", layer.zipf},
                      {"kept_from_last", layer.kept_from_last},
                      {"experts", std::move(experts)},
                      {"pairs", std::move(pairs)}});
  }
  return {{"model", trace.model}, {"tokens", stats.tokens}, {"n_experts", trace.n_experts}, {"layers", std::move(layers)}};
}

void print_stats(const RoutingTrace& trace, const TraceStats& stats) {
  fmt::print("{}: {} tokens, {} mixture layers of {} experts\n\n", trace.model, stats.tokens, stats.layers.size(), trace.n_experts);
  fmt::print("layer  per token  entropy  balance  largest  unused   zipf   kept  used most, share; together, times chance\n");
  for (const LayerUse& layer : stats.layers) {
    const auto most = std::max_element(layer.experts.begin(), layer.experts.end(),
                                       [](const ExpertUse& a, const ExpertUse& b) { return a.tokens < b.tokens; });
    fmt::print("{:>5}  {:>9.2f}  {:>7.3f}  {:>7.3f}  {:>7.2f}  {:>6}  {:>5.2f}  {:>5.3f}  {} {:.1f} %", layer.layer,
               layer.experts_per_token, layer.entropy_bits, layer.balance, layer.largest_share, layer.unused, layer.zipf,
               layer.kept_from_last, most - layer.experts.begin(), 100 * most->share);
    for (size_t i = 0; i < std::min<size_t>(2, layer.pairs.size()); ++i) {
      fmt::print("; {}+{} {:.1f}", layer.pairs[i].first, layer.pairs[i].second, layer.pairs[i].lift);
    }
    fmt::print("\n");
  }
  fmt::print("\nentropy in bits, {:.3f} where all are used alike; balance: experts that do the work, of all; largest: share of the\n"
             "expert used most, times the experts; kept: experts that the token before used too\n",
             std::log2(static_cast<double>(trace.n_experts)));
}

int stats_command(int argc, const char* const* argv) {
  CommandLine line("siskin", "trace stats", "Who is used how much, and with whom");
  std::string in, html;
  line.app().add_option("TRACE", in, "A recorded trace")->required()->type_name("");
  line.app().add_option("--html", html, "Write a heat map as one page")->type_name("FILE");
  line.with_json();
  if (const auto status = line.parse(argc, argv)) return *status;
  const auto trace = load_trace(in);
  if (!trace) return line.fail(trace.error());
  const TraceStats stats = trace_stats(*trace);
  if (!html.empty()) {
    std::ofstream out(html, std::ios::binary);
    out << trace_page(*trace, stats);
    if (!out.flush()) return line.fail({ErrorCode::io, html + ": cannot write"});
  }
  if (line.flags.json) return line.print_json(stats_document(*trace, stats));
  print_stats(*trace, stats);
  return line.finish_stdout();
}

// ---- replay ----

int replay_command(int argc, const char* const* argv) {
  CommandLine line("siskin", "trace replay", "What caches of experts would have read, token by token");
  std::string in;
  std::vector<size_t> keep;
  line.app().add_option("TRACE", in, "A recorded trace")->required()->type_name("");
  line.app()
      .add_option("--keep", keep, "Experts kept, of the whole model (default: 1/8, 1/4, 1/2 and 3/4 of them)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(integer_in(1, 1LL << 40))
      ->type_name("N,...");
  line.with_json();
  if (const auto status = line.parse(argc, argv)) return *status;
  const auto trace = load_trace(in);
  if (!trace) return line.fail(trace.error());
  if (trace->n_tokens() == 0) return line.fail({ErrorCode::invalid_argument, in + ": holds no tokens"});
  size_t all = 0;
  for (const uint64_t bytes : trace->expert_bytes) all += bytes > 0 ? trace->n_experts : 0;
  if (keep.empty()) keep = {std::max<size_t>(1, all / 8), std::max<size_t>(1, all / 4), std::max<size_t>(1, all / 2), std::max<size_t>(1, all * 3 / 4)};
  Json rows = Json::array();
  if (!line.flags.json) {
    fmt::print("{}: {} tokens, {} experts in all\n\n", trace->model, trace->n_tokens(), all);
    fmt::print("  kept  policy     reads    misses  in memory  memory per token   disk per token\n");
  }
  for (const size_t kept : keep) {
    for (const CacheReplay& replay : replay_trace(*trace, kept)) {
      const double tokens = static_cast<double>(trace->n_tokens());
      rows.push_back({{"kept", replay.kept},
                      {"policy", replay.policy},
                      {"reads", replay.reads},
                      {"misses", replay.misses},
                      {"hit_rate", replay.hit_rate()},
                      {"memory_bytes", replay.memory_bytes},
                      {"disk_bytes", replay.disk_bytes}});
      if (line.flags.json) continue;
      fmt::print("{:>6}  {:<6} {:>9} {:>9}   {:>6.1f} %  {:>16}  {:>15}\n", replay.kept, replay.policy, replay.reads, replay.misses,
                 100 * replay.hit_rate(), human_bytes(static_cast<double>(replay.memory_bytes) / tokens),
                 human_bytes(static_cast<double>(replay.disk_bytes) / tokens));
    }
  }
  if (line.flags.json) {
    return line.print_json({{"model", trace->model}, {"tokens", trace->n_tokens()}, {"experts", all}, {"replays", std::move(rows)}});
  }
  return line.finish_stdout();
}

// ---- diff ----

int diff_command(int argc, const char* const* argv) {
  CommandLine line("siskin", "trace diff", "How two traces differ, layer by layer");
  std::string first, second;
  line.app().add_option("A", first, "A recorded trace")->required()->type_name("");
  line.app().add_option("B", second, "Another, of a model with the same layers and experts")->required()->type_name("");
  line.with_json();
  if (const auto status = line.parse(argc, argv)) return *status;
  const auto a = load_trace(first), b = load_trace(second);
  if (!a) return line.fail(a.error());
  if (!b) return line.fail(b.error());
  const auto difference = compare_traces(*a, *b);
  if (!difference) return line.fail(difference.error());
  if (line.flags.json) {
    Json layers = Json::array();
    for (const LayerDifference& layer : difference->layers) {
      Json row = {{"layer", layer.layer}, {"divergence_bits", layer.divergence_bits}};
      row["same_experts"] = difference->same_tokens ? Json(layer.same_experts) : Json(nullptr);
      row["same_first"] = difference->same_tokens ? Json(layer.same_first) : Json(nullptr);
      layers.push_back(std::move(row));
    }
    return line.print_json({{"same_tokens", difference->same_tokens}, {"layers", std::move(layers)}});
  }
  fmt::print("{}\n\nlayer  divergence, bits{}\n",
             difference->same_tokens ? "the same tokens, compared one by one" : "other tokens: shares alone are compared",
             difference->same_tokens ? "  same experts  same first" : "");
  for (const LayerDifference& layer : difference->layers) {
    fmt::print("{:>5}  {:>16.5f}", layer.layer, layer.divergence_bits);
    if (difference->same_tokens) fmt::print("  {:>10.2f} %  {:>8.2f} %", 100 * layer.same_experts, 100 * layer.same_first);
    fmt::print("\n");
  }
  return line.finish_stdout();
}

constexpr Verb kVerbs[] = {{"record", "which experts a text uses, to a file: MODEL OUT --text FILE or -p TEXT", record_command},
                           {"stats", "shares, entropy, balance, co-activation of a TRACE; --html FILE for a heat map", stats_command},
                           {"replay", "what caches of --keep N,... experts would have read of a TRACE", replay_command},
                           {"diff", "how traces A and B differ", diff_command}};

}  // namespace

int trace_command(int argc, const char* const* argv) { return run_verb("trace", kVerbs, argc, argv); }

}  // namespace siskin::cli
