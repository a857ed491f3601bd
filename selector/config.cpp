// Reads the configuration section by section; the keys themselves are in config_keys.cpp.
#include "selector/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>

#include "selector/config_reader.h"

namespace siskin::selector {
namespace {

constexpr double kHuge = 1e12;

std::filesystem::path resolved(const Config& config, const std::string& path) {
  const std::filesystem::path given(path);
  return given.is_absolute() ? given : (config.file.parent_path() / given).lexically_normal();
}

void read_task(ConfigReader& reader, const toml::table& root, Config& config) {
  const toml::table* task = reader.table(root, "task");
  if (task == nullptr) return reader.fail(root.source(), "[task] is missing: give `text` or `items`");
  reader.check_keys(*task, "task");
  const auto text = reader.text(*task, "text");
  const auto items = reader.text(*task, "items");
  if (text.has_value() == items.has_value()) return reader.fail(task->source(), "[task] needs either `text` or `items`");
  if (text) config.task.text = resolved(config, *text);
  if (items) config.task.items = resolved(config, *items);
  config.task.metric = items ? Metric::accuracy : Metric::bits_per_byte;
  const auto metric = items ? reader.one_of(*task, "metric", {"accuracy"}, {"agreement"})
                            : reader.one_of(*task, "metric", {"bits_per_byte", "perplexity"}, {"agreement"});
  if (metric == "perplexity") config.task.metric = Metric::perplexity;
  const auto& file = text ? config.task.text : config.task.items;
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error)) {
    reader.fail(task->get(text ? "text" : "items")->source(), fmt::format("{}: no such file", file.string()));
  }
}

void read_workload(ConfigReader& reader, const toml::table& root, Workload& workload) {
  const toml::table* table = reader.table(root, "workload");
  if (table == nullptr) return;
  reader.check_keys(*table, "workload");
  workload.prompt_tokens = reader.count(*table, "prompt_tokens", 1, 1'000'000).value_or(workload.prompt_tokens);
  workload.output_tokens = reader.count(*table, "output_tokens", 1, 1'000'000).value_or(workload.output_tokens);
  workload.seed = reader.count(*table, "seed", 0, INT64_MAX).value_or(workload.seed);
  if (reader.one_of(*table, "arrivals", {"poisson", "closed"}, {"trace"}) == "closed") workload.arrivals = Arrivals::closed;
}

PercentileLimits read_limits(ConfigReader& reader, const toml::table& budget, std::string_view key) {
  PercentileLimits limits;
  const toml::table* table = reader.table(budget, key);
  if (table == nullptr) return limits;
  reader.check_keys(*table, fmt::format("budget.{}", key));
  limits.p50 = reader.number(*table, "p50", 1e-6, kHuge);
  limits.p95 = reader.number(*table, "p95", 1e-6, kHuge);
  limits.p99 = reader.number(*table, "p99", 1e-6, kHuge);
  return limits;
}

void read_samples(ConfigReader& reader, const toml::node& node, const std::filesystem::path& file, Part& part) {
  std::ifstream in(file);
  if (!in) return reader.fail(node.source(), fmt::format("{}: no such file", file.string()));
  part.kind = Part::Kind::samples;
  part.samples_ms.assign(std::istream_iterator<double>(in), std::istream_iterator<double>());
  const bool sound =
      in.eof() && part.samples_ms.size() >= 2 &&
      std::all_of(part.samples_ms.begin(), part.samples_ms.end(), [](double ms) { return ms >= 0 && ms < kHuge; });
  if (!sound) {
    return reader.fail(node.source(),
                       fmt::format("{}: expected two or more times in milliseconds, blank or line between", file.string()));
  }
  std::sort(part.samples_ms.begin(), part.samples_ms.end());
}

Part read_part(ConfigReader& reader, const toml::table& parts, std::string_view key, const Config& config) {
  Part part;
  const toml::node* node = parts.get(key);
  if (node == nullptr) return part;
  if (node->value_exact<std::string>() == "measure" && key == "preprocess") {
    part.kind = Part::Kind::measured;
    return part;
  }
  const toml::table* table = node->as_table();
  if (table == nullptr) {
    reader.fail(node->source(), fmt::format("{}: expected {}{{p50 = .., p99 = ..}} or {{samples = \"file\"}}", key,
                                            key == "preprocess" ? "\"measure\", " : ""));
    return part;
  }
  reader.check_keys(*table, fmt::format("budget.parts.{}", key));
  const auto samples = reader.text(*table, "samples");
  const auto p50 = reader.number(*table, "p50", 1e-6, kHuge), p99 = reader.number(*table, "p99", 1e-6, kHuge);
  if (samples && !p50 && !p99) {
    read_samples(reader, *table->get("samples"), resolved(config, *samples), part);
  } else if (!samples && p50 && p99 && *p50 <= *p99) {
    part.kind = Part::Kind::lognormal;
    part.p50_ms = *p50;
    part.p99_ms = *p99;
  } else {
    reader.fail(table->source(), fmt::format("{}: expected p50 and p99 with p50 <= p99, or samples", key));
  }
  return part;
}

void read_budget(ConfigReader& reader, const toml::table& root, Config& config) {
  const toml::table* table = reader.table(root, "budget");
  if (table == nullptr) return;
  reader.check_keys(*table, "budget");
  Budget& budget = config.budget;
  budget.latency_ms = read_limits(reader, *table, "latency_ms");
  budget.ttft_ms = read_limits(reader, *table, "ttft_ms");
  budget.ram_gb = reader.number(*table, "ram_gb", 1e-6, kHuge);
  budget.confidence = reader.number(*table, "confidence", 0.5, 0.9999).value_or(budget.confidence);
  if (const toml::table* parts = reader.table(*table, "parts")) {
    reader.check_keys(*parts, "budget.parts");
    budget.preprocess = read_part(reader, *parts, "preprocess", config);
    budget.network = read_part(reader, *parts, "network", config);
  }
}

void read_volumes(ConfigReader& reader, const toml::table& root, std::vector<Volume>& volumes) {
  for (const toml::table* table : reader.tables(root, "volume")) {
    reader.check_keys(*table, "volume");
    const auto qps = reader.number(*table, "qps", 1e-9, kHuge);
    if (!qps) reader.fail(table->source(), "[[volume]] needs `qps`");
    volumes.push_back({qps.value_or(0), reader.number(*table, "usd_per_month", 0, kHuge)});
  }
  if (volumes.empty()) reader.fail(root.source(), "at least one [[volume]] with `qps` is needed");
}

void read_quality(ConfigReader& reader, const toml::table& root, Config& config) {
  QualityRule& rule = config.quality;
  const toml::table* table = reader.table(root, "quality");
  if (table != nullptr) {
    reader.check_keys(*table, "quality");
    rule.reference = reader.text(*table, "reference").value_or("");
    rule.max_loss = reader.number(*table, "max_loss", 0, kHuge);
    rule.min = reader.number(*table, "min", 0, 1);
    rule.confidence = reader.number(*table, "confidence", 0.5, 0.9999).value_or(rule.confidence);
    if (rule.min && !more_is_better(config.task.metric)) {
      reader.fail(table->get("min")->source(), "min: works where more is better (accuracy); for this metric give max_loss");
    }
  }
  if (config.candidates.empty()) return;
  if (rule.reference.empty()) rule.reference = config.candidates.front().name;
  const bool known = std::any_of(config.candidates.begin(), config.candidates.end(),
                                 [&](const CandidateSpec& spec) { return spec.name == rule.reference; });
  if (!known)
    reader.fail(table->get("reference")->source(), fmt::format("reference: no candidate is named \"{}\"", rule.reference));
}

void read_price(ConfigReader& reader, const toml::table& root, Price& price) {
  const toml::table* table = reader.table(root, "price");
  if (table == nullptr) return;
  reader.check_keys(*table, "price");
  price.usd_per_hour = reader.number(*table, "usd_per_hour", 0, kHuge);
  price.headroom = reader.number(*table, "headroom", 0.01, 1).value_or(price.headroom);
  price.min_replicas = reader.count(*table, "min_replicas", 1, 1'000'000).value_or(price.min_replicas);
}

void read_measure(ConfigReader& reader, const toml::table& root, Measure& measure) {
  const toml::table* table = reader.table(root, "measure");
  if (table == nullptr) return;
  reader.check_keys(*table, "measure");
  if (reader.one_of(*table, "stop", {"all", "until_proven"}) == "until_proven") measure.stop = Stop::until_proven;
  measure.docs = reader.count(*table, "docs", 2, 1'000'000).value_or(measure.docs);
  measure.requests = reader.count(*table, "requests", 10, 10'000'000);
  measure.seconds = reader.number(*table, "seconds", 0.1, 86'400).value_or(measure.seconds);
  measure.max_seconds = reader.number(*table, "max_seconds", 0.1, 86'400).value_or(measure.max_seconds);
  measure.threads = static_cast<unsigned>(reader.count(*table, "threads", 1, 4096).value_or(0));
}

void read_variants(ConfigReader& reader, const toml::table& table, CandidateSpec& spec) {
  const toml::node* node = table.get("variants");
  if (node == nullptr) return;
  const toml::array* array = node->as_array();
  if (array == nullptr || array->empty())
    return reader.fail(node->source(), "variants: expected an array such as [\"f16\", \"q8_0\"]");
  for (const auto& element : *array) {
    if (const toml::table* recipe = element.as_table()) reader.check_keys(*recipe, "candidate.variants");
    auto name = element.value_exact<std::string>().value_or("");
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const bool plain =
        !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) || c == '_'; });
    if (!plain) return reader.fail(element.source(), "variants: expected the name of a type such as \"q8_0\"");
    if (std::find(spec.variants.begin(), spec.variants.end(), name) != spec.variants.end()) {
      return reader.fail(element.source(), fmt::format("variants: \"{}\" is listed twice", name));
    }
    spec.variants.push_back(name);
  }
}

void read_candidates(ConfigReader& reader, const toml::table& root, Config& config) {
  std::set<std::string> names;
  for (const toml::table* table : reader.tables(root, "candidate")) {
    reader.check_keys(*table, "candidate");
    CandidateSpec spec;
    spec.line = table->source().begin.line;
    spec.name = reader.text(*table, "name").value_or("");
    const auto model = reader.text(*table, "model");
    if (spec.name.empty() || !model) reader.fail(table->source(), "[[candidate]] needs `name` and `model`");
    if (spec.name.find_first_of(":\n\r\t") != std::string::npos) {
      reader.fail(table->get("name")->source(), "name: a colon or a control character is not allowed");
    }
    if (!names.insert(spec.name).second)
      reader.fail(table->source(), fmt::format("two candidates are named \"{}\"", spec.name));
    read_variants(reader, *table, spec);
    if (reader.failed()) return;
    spec.model = resolved(config, *model);
    std::error_code error;
    if (!std::filesystem::exists(spec.model, error)) {
      reader.fail(table->get("model")->source(), fmt::format("model: {}: no such file", spec.model.string()));
    }
    config.candidates.push_back(std::move(spec));
  }
  if (config.candidates.empty()) reader.fail(root.source(), "at least one [[candidate]] with `name` and `model` is needed");
}

}  // namespace

std::string_view metric_name(Metric metric) {
  switch (metric) {
    case Metric::bits_per_byte:
      return "bits_per_byte";
    case Metric::perplexity:
      return "perplexity";
    case Metric::accuracy:
      break;
  }
  return "accuracy";
}

bool more_is_better(Metric metric) { return metric == Metric::accuracy; }

Result<Config> parse_config(std::string_view text, const std::filesystem::path& file) {
  Config config;
  config.file = file;
  config.text = text;
  ConfigReader reader(file.filename().string());
  toml::table root;
  try {
    root = toml::parse(text);
  } catch (const toml::parse_error& error) {
    return Error{ErrorCode::invalid_argument, fmt::format("{}:{}: {}", file.filename().string(), error.source().begin.line,
                                                          std::string_view(error.description()))};
  }
  // The order of the checks decides which of several mistakes is named: keys of the top level first.
  reader.check_keys(root, "");
  read_task(reader, root, config);
  read_workload(reader, root, config.workload);
  read_budget(reader, root, config);
  read_volumes(reader, root, config.volumes);
  read_price(reader, root, config.price);
  read_measure(reader, root, config.measure);
  read_candidates(reader, root, config);
  read_quality(reader, root, config);
  if (reader.failed()) return reader.error();
  return config;
}

Result<Config> load_config(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return Error{ErrorCode::not_found, fmt::format("{}: no such file", file.string())};
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  return parse_config(text, file);
}

}  // namespace siskin::selector
