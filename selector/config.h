// Config: what the user asks of the selector, read from TOML and checked; every mistake is one line with the file, line and
// key.
#pragma once

#include <siskin/result.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace siskin::selector {

enum class Metric { bits_per_byte, perplexity, accuracy };
std::string_view metric_name(Metric metric);
// Accuracy grows with quality, the other two fall.
bool more_is_better(Metric metric);

enum class Arrivals { poisson, closed };
enum class Stop { all, until_proven };

struct Task {
  std::filesystem::path text;   // either this, split into documents at blank lines
  std::filesystem::path items;  // or multiple-choice items, one JSON object a line
  Metric metric = Metric::bits_per_byte;
};

struct Workload {
  size_t prompt_tokens = 64;
  size_t output_tokens = 32;
  Arrivals arrivals = Arrivals::poisson;
  uint64_t seed = 1;
};

// Limits in milliseconds; an absent one does not constrain.
struct PercentileLimits {
  std::optional<double> p50, p95, p99;
  bool any() const { return p50 || p95 || p99; }
};

// Time that a request spends outside the engine.
struct Part {
  enum class Kind { absent, measured, lognormal, samples };
  Kind kind = Kind::absent;
  double p50_ms = 0, p99_ms = 0;   // lognormal
  std::vector<double> samples_ms;  // samples: ascending
};

struct Budget {
  PercentileLimits latency_ms, ttft_ms;
  Part preprocess, network;
  std::optional<double> ram_gb;  // 1 GB = 1e9 bytes
  double confidence = 0.99;
};

struct Volume {
  double qps = 0;
  std::optional<double> usd_per_month;
};

struct QualityRule {
  std::string reference;           // a candidate's name; its first variant is the original that all are compared with
  std::optional<double> max_loss;  // relative
  std::optional<double> min;       // accuracy only
  double confidence = 0.95;
};

struct Price {
  std::optional<double> usd_per_hour;
  double headroom = 0.75;
  size_t min_replicas = 1;
};

struct Measure {
  Stop stop = Stop::all;
  size_t docs = 80;                // documents or items scored at most
  std::optional<size_t> requests;  // of the open loop; absent: as many as fit `seconds`, at least 700
  double seconds = 5;              // aim of one open loop
  double max_seconds = 60;         // no open loop is planned longer than this
  unsigned threads = 0;
};

struct CandidateSpec {
  std::string name;
  std::filesystem::path model;
  std::vector<std::string> variants;  // lower case; empty: the file's own type
  size_t line = 0;
};

struct Config {
  std::filesystem::path file;
  std::string text;  // as read, for the record
  Task task;
  Workload workload;
  Budget budget;
  std::vector<Volume> volumes;
  QualityRule quality;
  Price price;
  Measure measure;
  std::vector<CandidateSpec> candidates;
};

// Errors: not_found (the file), invalid_argument ("name.toml:12: ...").
Result<Config> load_config(const std::filesystem::path& file);
// Paths in the text are relative to file's folder.
Result<Config> parse_config(std::string_view text, const std::filesystem::path& file);

// The commented template that `init` writes.
std::string_view config_template();

}  // namespace siskin::selector
