#include "bench/siskin_bench/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>

#include "bench/siskin_bench/statistics.h"

namespace siskin::bench {
namespace {

// Parts that stream the same role's weights, beside what the ledger says of it.
struct Stream {
  const char* name;
  std::initializer_list<Part> parts;
  double amount;  // bytes, or operations
};

double bytes_of(const PhaseCost& cost, std::initializer_list<Role> roles) {
  double bytes = 0;
  for (const Role role : roles) bytes += static_cast<double>(cost.weight_bytes_by_role[static_cast<size_t>(role)]);
  return bytes;
}

std::vector<Stream> streams_of_bytes(const PhaseCost& cost) {
  return {{"attention matrices", {Part::qkv, Part::attn_output}, bytes_of(cost, {Role::attention})},
          {"keys and values", {Part::attention}, static_cast<double>(cost.kv_read_bytes)},
          {"router", {Part::router}, bytes_of(cost, {Role::router})},
          {"FFN or experts", {Part::gate_up, Part::down}, bytes_of(cost, {Role::ffn, Role::experts, Role::shared_experts})},
          {"head", {Part::head}, bytes_of(cost, {Role::head})}};
}

// Multiply-adds of each role per token, from the model's widths; the ledger's total is split in their proportion.
std::vector<Stream> streams_of_operations(const ModelInfo& model, const Test& test, const PhaseCost& cost) {
  const double d = static_cast<double>(model.d_model), layers = static_cast<double>(model.n_layers);
  const double tokens = static_cast<double>(test.n);
  const double heads = static_cast<double>(model.head_dim * (model.n_heads + model.n_kv_heads));
  const double mixtures = static_cast<double>(std::count(model.mixture_layers.begin(), model.mixture_layers.end(), true));
  const double of_mixture = static_cast<double>((test.top_k > 0 ? test.top_k : model.top_k) * model.d_expert + model.d_shared);
  const double attention = layers * 2 * d * heads * tokens;
  const double router = mixtures * d * static_cast<double>(model.n_experts) * tokens;
  const double hidden = mixtures * of_mixture + (layers - mixtures) * static_cast<double>(model.d_ff);
  const double ffn = 3 * d * hidden * tokens;
  const double head = d * static_cast<double>(model.n_vocab);
  const double matched = 2 * static_cast<double>(model.n_layers * model.n_heads * model.head_dim) * tokens * (tokens + 1) / 2;
  const double scale = static_cast<double>(cost.flops()) / (attention + router + ffn + head + matched);
  return {{"attention matrices", {Part::qkv, Part::attn_output}, attention * scale},
          {"attention", {Part::attention}, matched * scale},
          {"router", {Part::router}, router * scale},
          {"FFN or experts", {Part::gate_up, Part::down}, ffn * scale},
          {"head", {Part::head}, head * scale}};
}

}  // namespace

Explanation explain(const ModelInfo& model, const Test& test, const std::vector<Sample>& samples, const Sample& run,
                    const StepProfile& profile, const Counts& counts) {
  const bool decode = test.phase == Phase::decode;
  const double steps = static_cast<double>(run.steps);
  Explanation out;
  out.steps = run.steps;
  out.counts = counts;
  out.step_s = run.step_seconds();
  std::vector<double> step_times;
  for (const Sample& sample : samples) {
    step_times.push_back(sample.step_seconds() * (decode ? sample.read_gb_s / run.read_gb_s : 1));
  }
  out.without_clock_s = median(std::move(step_times));
  // The limit in units per second: bytes at the plain loop's speed, or operations at the mix of peaks that the run could have
  // had.
  const double share = decode ? run.bandwidth_share() : run.flops_share().value_or(0);
  const double amount = decode ? run.bytes() : static_cast<double>(run.cost.flops());
  const double speed = share > 0 ? amount / (run.seconds * share) : 0;
  out.limit_s = speed > 0 ? amount / speed / steps : 0;

  double streamed = 0, explained = out.limit_s;
  const auto add = [&](std::string name, double seconds, double rate = 0) {
    out.losses.push_back({std::move(name), seconds, rate});
    explained += seconds;
  };
  std::array<bool, kParts> in_stream = {};
  const auto streams = decode ? streams_of_bytes(run.cost) : streams_of_operations(model, test, run.cost);
  for (const Stream& stream : streams) {
    double work = 0;
    for (const Part part : stream.parts) {
      work += profile.of(part).work_s;
      in_stream[static_cast<size_t>(part)] = true;
    }
    streamed += stream.amount;
    if (work <= 0 && stream.amount <= 0) continue;
    const double ideal = speed > 0 ? stream.amount / speed : 0;
    add(fmt::format("{}: slower than the plain loop", stream.name), (work - ideal) / steps,
        work > 0 ? stream.amount / work / 1e9 : 0);
  }
  if (speed > 0) add("norms, embedding rows: in the limit, read beside other work", -(amount - streamed) / speed / steps);
  double wake = 0, imbalance = 0;
  for (size_t part = 0; part < kParts; ++part) {
    const PartTime& time = profile.parts[part];
    wake += time.wake_s;
    imbalance += time.imbalance_s;
    const double alone = time.serial_s + (in_stream[part] ? 0 : time.work_s);
    if (alone > 0)
      add(fmt::format("{}: {}", part_name(static_cast<Part>(part)), in_stream[part] ? "around its grids" : "all of it"),
          alone / steps);
  }
  add("starting grids: threads not yet at work", wake / steps);
  add("ends of grids: threads that found no more work", imbalance / steps);
  out.unexplained_s = out.step_s - explained;
  return out;
}

nlohmann::ordered_json to_json(const Explanation& e) {
  auto losses = nlohmann::ordered_json::array();
  for (const Loss& loss : e.losses) losses.push_back({{"name", loss.name}, {"seconds", loss.seconds}, {"rate", loss.rate}});
  const auto count = [](const std::optional<uint64_t>& value) {
    return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
  };
  return {{"step_s", e.step_s},
          {"without_clock_s", e.without_clock_s},
          {"limit_s", e.limit_s},
          {"losses", std::move(losses)},
          {"unexplained_s", e.unexplained_s},
          {"steps", e.steps},
          {"minor_faults", e.counts.minor_faults},
          {"major_faults", e.counts.major_faults},
          {"voluntary_switches", e.counts.voluntary_switches},
          {"involuntary_switches", e.counts.involuntary_switches},
          {"cache_misses", count(e.counts.cache_misses)},
          {"tlb_misses", count(e.counts.tlb_misses)}};
}

std::string to_table(const Test& test, const Explanation& e) {
  const bool decode = test.phase == Phase::decode;
  std::string text = fmt::format("\n| {} with {} threads: one step | us | share | {} |\n| --- | ---: | ---: | ---: |\n",
                                 test.name(), test.threads, decode ? "GB/s" : "GFLOP/s");
  const auto line = [&](const std::string& name, double seconds, double rate) {
    text += fmt::format("| {} | {:.1f} | {:.1f}% | {} |\n", name, seconds * 1e6, 100 * seconds / e.step_s,
                        rate > 0 ? fmt::format("{:.1f}", rate) : "");
  };
  line(decode ? "limit: its bytes at the plain read loop's speed" : "limit: its operations at the measured peak", e.limit_s, 0);
  for (const Loss& loss : e.losses) line(loss.name, loss.seconds, loss.rate);
  line("unexplained", e.unexplained_s, 0);
  line("measured", e.step_s, 0);
  line("beside it: median step without the clock, at equal bandwidth", e.without_clock_s, 0);
  const auto count = [](const std::optional<uint64_t>& value) {
    return value ? fmt::format("{}", *value) : std::string("not permitted here");
  };
  text += fmt::format(
      "\nOver {} steps: page faults {} minor, {} major; context switches {} voluntary, {} involuntary; cache misses {}; TLB "
      "misses {}\n",
      e.steps, e.counts.minor_faults, e.counts.major_faults, e.counts.voluntary_switches, e.counts.involuntary_switches,
      count(e.counts.cache_misses), count(e.counts.tlb_misses));
  return text;
}

}  // namespace siskin::bench
