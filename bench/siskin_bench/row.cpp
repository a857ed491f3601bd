// A row of `siskin-bench`: numbers derived from its samples, under llama-bench's names and our own.
#include "bench/siskin_bench/row.h"

#include <fmt/format.h>
#include <siskin/version.h>

#include "bench/siskin_bench/statistics.h"
#include "examples/siskin/cli/units.h"

namespace siskin::bench {
namespace {

// What the phase did, over all samples together.
struct Totals {
  double tokens = 0, seconds = 0, bytes = 0, flops = 0;
  double steps = 0;
  std::optional<double> bandwidth_share, flops_share;  // medians of the pairs
};

Totals totals_of(const std::vector<Sample>& samples) {
  Totals totals;
  std::vector<double> bandwidth_shares, flops_shares;
  for (const Sample& sample : samples) {
    totals.tokens += static_cast<double>(sample.cost.tokens);
    totals.seconds += sample.seconds;
    totals.bytes += sample.bytes();
    totals.steps += static_cast<double>(sample.steps);
    totals.flops += static_cast<double>(sample.cost.flops());
    if (sample.read_gb_s > 0) bandwidth_shares.push_back(sample.bandwidth_share());
    if (const auto share = sample.flops_share()) flops_shares.push_back(*share);
  }
  if (!bandwidth_shares.empty()) totals.bandwidth_share = median(std::move(bandwidth_shares));
  if (!flops_shares.empty()) totals.flops_share = median(std::move(flops_shares));
  return totals;
}

double ratio(double numerator, double denominator) { return denominator > 0 ? numerator / denominator : 0; }

std::vector<double> speeds(const Row& row) {
  std::vector<double> values;
  for (const Sample& sample : row.samples) values.push_back(sample.tokens_per_second());
  return values;
}

std::vector<double> read_speeds(const std::vector<Sample>& samples) {
  std::vector<double> values;
  for (const Sample& sample : samples) values.push_back(sample.read_gb_s);
  return values;
}

uint64_t tensor_bytes(const ModelInfo& model) {
  uint64_t bytes = 0;
  for (const auto& [type, totals] : model.tensors_by_type) bytes += totals.bytes;
  return bytes;
}

std::string model_type(const ModelInfo& model) {
  return fmt::format("{} {} {}", model.architecture, cli::human_count(static_cast<double>(model.total_params)), model.type);
}

nlohmann::ordered_json optional_number(const std::optional<double>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}

nlohmann::ordered_json peer_json(const std::vector<Pair>& pairs) {
  auto rows = nlohmann::ordered_json::array();
  std::vector<double> ratios;
  for (const Pair& pair : pairs) {
    ratios.push_back(ratio(pair.ours, pair.peer));
    rows.push_back({{"ours_ts", pair.ours}, {"peer_ts", pair.peer}, {"ratio", ratios.back()}});
  }
  return {{"pairs", std::move(rows)}, {"ratio", geometric_mean(ratios)}};
}

std::string percent(const std::optional<double>& share) { return share ? fmt::format("{:.1f}%", *share * 100) : "-"; }

}  // namespace

nlohmann::ordered_json to_json(const Row& row) {
  const Totals totals = totals_of(row.samples);
  const std::vector<double> samples_ts = speeds(row);
  std::vector<double> ns;
  std::vector<uint64_t> samples_ns;
  for (const Sample& sample : row.samples) {
    ns.push_back(sample.seconds * 1e9);
    samples_ns.push_back(static_cast<uint64_t>(ns.back()));
  }
  const bool prefill = row.test.phase == Phase::prefill;
  nlohmann::ordered_json json = {{"program", "siskin-bench"},
                                 {"version", version()},
                                 {"cpu_info", row.cpu},
                                 {"model_filename", row.file},
                                 {"model_type", model_type(row.model)},
                                 {"model_size", tensor_bytes(row.model)},
                                 {"model_n_params", row.model.total_params},
                                 {"n_batch", row.test.batch},
                                 {"n_parallel", row.test.parallel},
                                 {"top_k", row.test.top_k > 0 ? row.test.top_k : row.model.top_k},
                                 {"n_threads", row.test.threads},
                                 {"n_prompt", prefill ? row.test.n : 0},
                                 {"n_gen", prefill ? 0 : row.test.n},
                                 {"test", row.test.name()},
                                 {"test_time", row.time},
                                 {"avg_ns", static_cast<uint64_t>(mean(ns))},
                                 {"stddev_ns", static_cast<uint64_t>(sample_stddev(ns))},
                                 {"avg_ts", mean(samples_ts)},
                                 {"stddev_ts", sample_stddev(samples_ts)},
                                 {"samples_ns", samples_ns},
                                 {"samples_ts", samples_ts},
                                 {"active_params", row.model.active_params},
                                 {"bytes_per_token", ratio(totals.bytes, totals.tokens)},
                                 {"gb_s", ratio(totals.bytes, totals.seconds) / 1e9},
                                 {"step_ms", ratio(totals.seconds, totals.steps) * 1e3},
                                 {"bytes_per_step", ratio(totals.bytes, totals.steps)},
                                 {"read_gb_s", mean(read_speeds(row.samples))},
                                 {"bandwidth_share", optional_number(totals.bandwidth_share)},
                                 {"gflops", ratio(totals.flops, totals.seconds) / 1e9},
                                 {"flops_share", optional_number(totals.flops_share)},
                                 {"isa", row.isa}};
  if (row.bits_per_byte) json["bits_per_byte"] = *row.bits_per_byte;
  if (!row.pairs.empty()) json["peer"] = peer_json(row.pairs);
  if (row.explanation) json["explain"] = to_json(*row.explanation);
  return json;
}

std::vector<std::string> table_header(bool with_text) {
  std::vector<std::string> header = {"model", "size", "params",   "active", "isa",          "threads", "batch",
                                     "test",  "t/s",  "MB/token", "GB/s",   "of bandwidth", "GFLOP/s", "of peak"};
  if (with_text) header.push_back("bits/byte");
  return header;
}

std::vector<std::string> table_cells(const Row& row, bool with_text) {
  const Totals totals = totals_of(row.samples);
  const std::vector<double> ts = speeds(row);
  std::vector<std::string> cells = {row.model.name.empty() ? row.file : fmt::format("{} {}", row.model.name, row.model.type),
                                    cli::human_bytes(static_cast<double>(tensor_bytes(row.model))),
                                    cli::human_count(static_cast<double>(row.model.total_params)),
                                    cli::human_count(static_cast<double>(row.model.active_params)),
                                    row.isa,
                                    fmt::format("{}", row.test.threads),
                                    fmt::format("{}", row.test.batch),
                                    row.test.name(),
                                    fmt::format("{:.2f} ± {:.2f}", mean(ts), sample_stddev(ts)),
                                    fmt::format("{:.3f}", ratio(totals.bytes, totals.tokens) / 1e6),
                                    fmt::format("{:.2f}", ratio(totals.bytes, totals.seconds) / 1e9),
                                    percent(totals.bandwidth_share),
                                    fmt::format("{:.1f}", ratio(totals.flops, totals.seconds) / 1e9),
                                    percent(totals.flops_share)};
  if (with_text) cells.push_back(row.bits_per_byte ? fmt::format("{:.4f}", *row.bits_per_byte) : "-");
  return cells;
}

}  // namespace siskin::bench
