// Warm-up, closed loops of rising concurrency, then open loops of falling load until one meets the budget.
#include "selector/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "selector/candidate.h"
#include "selector/latency_check.h"
#include "selector/load_generator.h"
#include "selector/parts.h"
#include "selector/try.h"

namespace siskin::selector {
namespace {

constexpr std::array<size_t, 5> kConcurrencies = {1, 2, 4, 8, 16};
// Shares of the first load to try: a candidate too slow at 75% of its rate may well serve at half of it, with more replicas.
constexpr std::array<double, 4> kLoadSteps = {1.0, 0.7, 0.45, 0.2};
constexpr size_t kMinRequests = 700;  // lets one request be over p99 at 0.99 (662) with some to spare
constexpr size_t kPrompts = 64;
constexpr double kPauseSeconds = 1;

double mean(const std::vector<double>& values) {
  return values.empty() ? 0 : std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

class Profiler {
 public:
  Profiler(LoadGenerator& generator, const ProfileContext& context)
      : generator_(generator), context_(context), config_(context.config) {}

  Result<Profile> run() {
    SISKIN_TRY_STATUS(warm_up());
    SISKIN_TRY(const bool hopeful, closed_loops());
    if (hopeful) {
      if (config_.workload.arrivals == Arrivals::poisson) {
        SISKIN_TRY_STATUS(open_loops());
      } else {
        SISKIN_TRY_STATUS(closed_arrivals());
      }
    }
    return std::move(out_);
  }

 private:
  void progress(const std::string& what, double fraction) const {
    if (context_.on_progress) context_.on_progress(what, fraction);
  }

  // Until two rounds in a row differ by less than 5%: caches filled, pages touched, clocks up.
  Status warm_up() {
    double last = 0;
    for (int round = 0; round < 6; ++round) {
      SISKIN_TRY(const LoadRun run, generator_.closed_loop(2, config_.measure.seconds * 0.03, 4, 10'000));
      const double qps = run.qps();
      if (last > 0 && std::abs(qps - last) < 0.05 * last) break;
      last = qps;
    }
    return {};
  }

  // The closed-loop mean that a budget still lets count; the open loop decides, this only aims it.
  double mean_limit_ms() const {
    const PercentileLimits& limits = config_.budget.latency_ms;
    double limit = INFINITY;
    if (limits.p99) limit = std::min(limit, *limits.p99 - quantile_ms(config_.budget.network, 0.99));
    if (limits.p95) limit = std::min(limit, *limits.p95 - quantile_ms(config_.budget.network, 0.95));
    if (limits.p50) limit = std::min(limit, *limits.p50 - quantile_ms(config_.budget.network, 0.50));
    return limit;
  }

  // False: one request alone already breaks the budget, no load can mend that.
  Result<bool> closed_loops() {
    double best = 0;
    size_t worse = 0;
    for (const size_t concurrency : kConcurrencies) {
      progress(fmt::format("closed loop, {} at once", concurrency), 0);
      const bool alone = concurrency == 1;
      const size_t least = alone ? 30 : 4 * concurrency;
      const double seconds = config_.measure.seconds * (alone ? 0.1 : 0.06);
      // A slow candidate gets what fits a quarter of the longest measurement.
      const size_t fits = static_cast<size_t>(std::max(3.0, config_.measure.max_seconds * 0.25 * std::max(best, 0.0)));
      SISKIN_TRY(LoadRun run, generator_.closed_loop(concurrency, seconds, alone ? 10 : std::min(least, fits), 100'000));
      if (alone && run.latency_ms.size() < least &&
          run.qps() * config_.measure.max_seconds * 0.25 >= static_cast<double>(least)) {
        SISKIN_TRY(run, generator_.closed_loop(1, seconds, least, 100'000));
      }
      out_.closed.push_back({concurrency, run.latency_ms.size(), run.qps(), mean(run.latency_ms)});
      if (alone) {
        out_.bytes_per_token = run.bytes_per_token();
        out_.bandwidth_share = run.bandwidth_share_mean;
        if (surely_broken(run.latency_ms, run.ttft_ms, config_.budget, declared_parts_seed(config_))) {
          keep(std::move(run), "alone", 0);
          out_.saturation_qps = out_.closed.back().qps;
          return false;
        }
      }
      const bool counts = alone || mean(run.latency_ms) <= mean_limit_ms();
      if (counts && run.qps() > best * 1.02) {
        best = run.qps();
        worse = 0;
      } else if (++worse == 2 || !counts) {
        break;
      }
    }
    out_.saturation_qps = best;
    return true;
  }

  size_t planned_requests(double rate) const {
    if (config_.measure.requests) return *config_.measure.requests;
    const double aimed = std::max(static_cast<double>(kMinRequests), rate * config_.measure.seconds);
    return static_cast<size_t>(std::max(10.0, std::min(aimed, rate * config_.measure.max_seconds)));
  }

  // Two looks, fixed beforehand, after a seventh and three sevenths of the requests: looking after each would reject good
  // candidates by chance, and so would a look at the first few, whose latencies hang together.
  auto stopping_rule(const std::string& label, size_t n) {
    return [this, label, n, look = size_t{1}](const LoadRun& run) mutable {
      const size_t done = run.latency_ms.size();
      progress(label, static_cast<double>(done) / static_cast<double>(n));
      if (look > 3 || done * 7 < n * look) return true;
      look += 2;
      return !surely_broken(run.latency_ms, run.ttft_ms, config_.budget, declared_parts_seed(config_));
    };
  }

  Status open_loops() {
    const double first = config_.price.headroom * out_.saturation_qps;
    bool repeated = false;
    for (size_t step = 0; step < kLoadSteps.size();) {
      const double rate = first * kLoadSteps[step];
      const size_t n = planned_requests(rate);
      const std::string label = fmt::format("open loop, {:.3g} requests/s", rate);
      const MachineCounters before = context_.counters();
      SISKIN_TRY(LoadRun run, generator_.open_loop(rate, n, config_.workload.seed, stopping_rule(label, n)));
      const Noise noise = noise_between(before, context_.counters());
      if (conclude(std::move(run), "open loop", rate, noise)) break;
      // A failure while others used the machine is not the candidate's: once, after a pause, the same load is tried again.
      if (!repeated && !noise_complaint(noise).empty()) {
        repeated = true;
        context_.clock.sleep_until(context_.clock.now() + kPauseSeconds);
      } else {
        ++step;
      }
    }
    return {};
  }

  Status closed_arrivals() {
    for (size_t i = out_.closed.size(); i-- > 0;) {
      const size_t concurrency = out_.closed[i].concurrency;
      const size_t n = planned_requests(out_.closed[i].qps);
      progress(fmt::format("{} waiting users", concurrency), 0);
      SISKIN_TRY(LoadRun run, generator_.closed_loop(concurrency, 0, n, n));
      const double rate = run.qps();
      if (conclude(std::move(run), "closed loop", rate, Noise{})) break;
    }
    return {};
  }

  // Keeps the run's samples; true when no lower load needs to be tried.
  bool conclude(LoadRun run, const std::string& how, double rate, const Noise& noise) {
    const bool abandoned = run.stopped_early;
    keep(std::move(run), how, rate);
    const LatencyCheck check = check_latency(out_.latency_ms, out_.ttft_ms, config_.budget, declared_parts_seed(config_));
    const char* outcome = abandoned                                ? "abandoned"
                          : check.verdict == Verdict::pass         ? "pass"
                          : check.verdict == Verdict::inconclusive ? "inconclusive"
                                                                   : "fail";
    out_.tries.push_back({rate, out_.latency_ms.size(), outcome, noise});
    // Too few samples: a lower load would bring even fewer in the same time.
    return !abandoned && (check.verdict == Verdict::pass || (check.verdict == Verdict::inconclusive && check.n_too_small));
  }

  void keep(LoadRun run, const std::string& how, double rate) {
    out_.measured_at = how;
    out_.carried_qps = rate;
    out_.max_qps = rate / config_.price.headroom;
    out_.preprocess_ms_mean = run.preprocess_ms_mean;
    out_.dispatch_ms_mean = run.dispatch_ms_mean;
    out_.bytes_per_token_loaded = run.bytes_per_token();
    out_.latency_ms = std::move(run.latency_ms);
    out_.ttft_ms = std::move(run.ttft_ms);
  }

  LoadGenerator& generator_;
  const ProfileContext& context_;
  const Config& config_;
  Profile out_;
};

}  // namespace

uint64_t declared_parts_seed(const Config& config) { return config.workload.seed ^ 0x5eedULL; }

Result<Profile> profile_candidate(LoadedModel& model, const ProfileContext& context) {
  const Config& config = context.config;
  SessionOptions options;
  options.threads = config.measure.threads;
  options.ctx = request_ctx(config.workload);
  options.max_requests = kConcurrencies.back();
  options.machine = context.machine;
  SISKIN_TRY(const auto server, model.open_server(options));
  auto prompts = make_prompts(model, context.material, config.workload.prompt_tokens, kPrompts);
  const bool has_tokenizer = !prompts.empty();
  LoadGenerator generator(model, *server, context.clock, std::move(prompts), config.workload,
                          config.budget.preprocess.kind == Part::Kind::measured, context.cancelled);
  const MachineCounters before = context.counters();
  SISKIN_TRY(Profile profile, Profiler(generator, context).run());
  profile.noise = noise_between(before, context.counters());
  profile.has_tokenizer = has_tokenizer;
  return profile;
}

}  // namespace siskin::selector
