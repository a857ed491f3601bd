// Order-statistic bounds against the budget, percentile by percentile.
#include "selector/latency_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "selector/parts.h"

namespace siskin::selector {
namespace {

struct Constraint {
  std::string_view key;  // "latency_ms"
  double percentile;
  double limit;

  std::string rule() const { return fmt::format("{}.p{:.0f}", key, percentile * 100); }
};

std::vector<Constraint> constraints(const PercentileLimits& limits, std::string_view key) {
  std::vector<Constraint> out;
  if (limits.p50) out.push_back({key, 0.50, *limits.p50});
  if (limits.p95) out.push_back({key, 0.95, *limits.p95});
  if (limits.p99) out.push_back({key, 0.99, *limits.p99});
  return out;
}

PercentileRow estimate_row(const std::vector<double>& sorted, double confidence) {
  return {estimate_percentile(sorted, 0.50, confidence), estimate_percentile(sorted, 0.95, confidence),
          estimate_percentile(sorted, 0.99, confidence)};
}

size_t count_over(const std::vector<double>& sorted, double limit) {
  return static_cast<size_t>(sorted.end() - std::upper_bound(sorted.begin(), sorted.end(), limit));
}

// Judges one percentile; returns no finding when it passes.
std::optional<Finding> judge(const Constraint& constraint, const std::vector<double>& sorted, double confidence,
                             bool& n_too_small) {
  const PercentileEstimate estimate = estimate_percentile(sorted, constraint.percentile, confidence);
  if (estimate.upper && *estimate.upper <= constraint.limit) return std::nullopt;
  const size_t n = sorted.size(), over = count_over(sorted, constraint.limit);
  Finding finding;
  finding.kind = FailKind::latency;
  finding.stage = "latency";
  finding.rule = constraint.rule();
  finding.limit = constraint.limit;
  if (estimate.point) {
    finding.found = measured(*estimate.point);
    finding.found.ci = Interval{*estimate.point, *estimate.upper};
  }
  if (over >= over_disproves(n, constraint.percentile, confidence)) {
    finding.reason = fmt::format("{} of {} requests took longer than the {:.3g} ms of {}: disproved at {:g} confidence", over,
                                 n, constraint.limit, finding.rule, confidence);
  } else if (estimate.point && *estimate.point > constraint.limit) {
    finding.reason = fmt::format("{} is {:.3g} ms ({} of {} requests over), the budget is {:.3g} ms", finding.rule,
                                 *estimate.point, over, n, constraint.limit);
  } else {
    const size_t needed = samples_needed(constraint.percentile, confidence, over);
    finding.inconclusive = true;
    n_too_small = n_too_small || !estimate.point;
    finding.reason =
        fmt::format("{}: {} of {} requests over {:.3g} ms leaves it open; at least {} more requests are needed (n = {})",
                    finding.rule, over, n, constraint.limit, needed - std::min(n, needed), needed);
    finding.cheapest_change = fmt::format("measure.requests of at least {} (or a larger max_seconds)", needed);
    return finding;
  }
  const double would_pass = estimate.upper ? *estimate.upper : sorted.back();
  finding.cheapest_change = fmt::format("{} of at least {:.3g} ms", finding.rule, would_pass);
  return finding;
}

}  // namespace

LatencyCheck check_latency(const std::vector<double>& latency_ms, const std::vector<double>& ttft_ms, const Budget& budget,
                           uint64_t seed) {
  LatencyCheck out;
  // One seed for both: a request's network time is the same in its latency and in its time to first token.
  auto latency = convolved_ms(latency_ms, budget, seed), ttft = convolved_ms(ttft_ms, budget, seed);
  std::sort(latency.begin(), latency.end());
  std::sort(ttft.begin(), ttft.end());
  out.latency = estimate_row(latency, budget.confidence);
  out.ttft = estimate_row(ttft, budget.confidence);
  const auto judge_all = [&](const PercentileLimits& limits, std::string_view key, const std::vector<double>& sorted) {
    for (const Constraint& constraint : constraints(limits, key)) {
      if (auto finding = judge(constraint, sorted, budget.confidence, out.n_too_small))
        out.findings.push_back(std::move(*finding));
    }
  };
  judge_all(budget.latency_ms, "latency_ms", latency);
  judge_all(budget.ttft_ms, "ttft_ms", ttft);
  // Failures before open questions: the first finding is the one that is reported.
  std::stable_partition(out.findings.begin(), out.findings.end(), [](const Finding& finding) { return !finding.inconclusive; });
  if (!out.findings.empty()) out.verdict = out.findings.front().inconclusive ? Verdict::inconclusive : Verdict::fail;
  return out;
}

bool surely_broken(const std::vector<double>& latency_ms, const std::vector<double>& ttft_ms, const Budget& budget,
                   uint64_t seed) {
  const auto broken = [&](const PercentileLimits& limits, const std::vector<double>& samples) {
    if (!limits.any() || samples.empty()) return false;
    auto sorted = convolved_ms(samples, budget, seed);
    std::sort(sorted.begin(), sorted.end());
    for (const Constraint& constraint : constraints(limits, "")) {
      if (count_over(sorted, constraint.limit) >= over_disproves(sorted.size(), constraint.percentile, budget.confidence))
        return true;
    }
    return false;
  };
  return broken(budget.latency_ms, latency_ms) || broken(budget.ttft_ms, ttft_ms);
}

}  // namespace siskin::selector
