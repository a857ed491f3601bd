// Patterns in the configuration and in the outcome.
#include "selector/warnings.h"

#include <fmt/format.h>

#include <algorithm>

#include "selector/choose.h"
#include "selector/report_text.h"

namespace siskin::selector {
namespace {

using Candidates = std::vector<CandidateResult>;

// With as many replicas for every candidate, the bill does not depend on the choice, and quality is free.
void warn_quality_is_free(const RunResult& result, const Config& config, std::vector<std::string>& out) {
  for (const Choice& choice : result.chosen) {
    if (!choice.candidate) continue;
    std::vector<const CandidateResult*> passing;
    for (const CandidateResult& candidate : result.candidates) {
      if (candidate.status == CandidateStatus::passed && !candidate.cost.empty()) passing.push_back(&candidate);
    }
    const auto replicas = [&](const CandidateResult& candidate) {
      const auto row = std::find_if(candidate.cost.begin(), candidate.cost.end(),
                                    [&](const CostRow& cost) { return cost.qps == choice.volume.qps; });
      return row->replicas;
    };
    const bool same = passing.size() > 1 && std::all_of(passing.begin(), passing.end(), [&](const CandidateResult* candidate) {
                        return replicas(*candidate) == config.price.min_replicas;
                      });
    if (!same) continue;
    const auto better = [&](const CandidateResult* a, const CandidateResult* b) {
      const double x = *a->quality->value.value, y = *b->quality->value.value;
      return more_is_better(config.task.metric) ? x > y : x < y;
    };
    const CandidateResult* best = *std::min_element(passing.begin(), passing.end(), better);
    const CandidateResult& chosen = result.candidates[*choice.candidate];
    std::string text = fmt::format(
        "at {} any passing candidate costs the same (min_replicas = {}): choosing by quality would cost nothing extra",
        format_rate(choice.volume.qps), config.price.min_replicas);
    if (best != &chosen && better(best, &chosen)) {
      text += fmt::format(", and would choose {} ({} {:.4f} instead of {:.4f})", best->candidate.name,
                          metric_name(config.task.metric), *best->quality->value.value, *chosen.quality->value.value);
    }
    out.push_back(std::move(text));
  }
}

bool meets(const PercentileEstimate& estimate, const std::optional<double>& limit) {
  return limit && estimate.point && *estimate.point <= *limit;
}

void warn_tail_decides(const RunResult& result, const Config& config, std::vector<std::string>& out) {
  for (const CandidateResult& candidate : result.candidates) {
    if (!candidate.latency || candidate.findings.empty()) continue;
    const Finding& first = candidate.findings.front();
    const auto& limits = config.budget.latency_ms;
    const bool median_met = meets(candidate.latency->latency.p50, limits.p50 ? limits.p50 : limits.p99);
    if (first.kind == FailKind::latency && first.rule.ends_with("p99") && median_met) {
      out.push_back(fmt::format("{}: p50 would have passed ({:.3g} ms), p99 decides", candidate.candidate.name,
                                *candidate.latency->latency.p50.point));
    }
  }
}

uint64_t size_of(const CandidateResult& candidate) { return candidate.candidate.info.active_weight_bytes; }

void warn_extremes(const RunResult& result, std::vector<std::string>& out) {
  const Candidates& all = result.candidates;
  if (all.size() < 2) return;
  const auto [smallest, largest] =
      std::minmax_element(all.begin(), all.end(), [](const auto& a, const auto& b) { return size_of(a) < size_of(b); });
  bool chose_smallest = false, chose_largest = false;
  for (const Choice& choice : result.chosen) {
    if (!choice.candidate) continue;
    chose_smallest = chose_smallest || &all[*choice.candidate] == &*smallest;
    chose_largest = chose_largest || &all[*choice.candidate] == &*largest;
  }
  if (chose_largest) {
    out.push_back(fmt::format(
        "the largest candidate ({}) was chosen: nothing smaller passes; sizes between it and the next are worth a try",
        largest->candidate.name));
  }
  if (chose_smallest) {
    out.push_back(
        fmt::format("the smallest candidate ({}) was chosen: nothing smaller was tried, and the cheapest that is good enough "
                    "may be smaller still",
                    smallest->candidate.name));
  }
}

// One line: which candidates' timings suffered, and the worst of it.
void warn_noise(const RunResult& result, std::vector<std::string>& out) {
  Noise worst;
  std::vector<std::string> names;
  for (const CandidateResult& candidate : result.candidates) {
    if (!candidate.profile || noise_complaint(candidate.profile->noise).empty()) continue;
    names.push_back(candidate.candidate.name);
    worst.steal_share = std::max(worst.steal_share, candidate.profile->noise.steal_share);
    worst.others_share = std::max(worst.others_share, candidate.profile->noise.others_share);
    worst.throttled = std::max(worst.throttled, candidate.profile->noise.throttled);
  }
  if (names.empty()) return;
  out.push_back(fmt::format("noisy machine: at worst {}, while timing {}; what noise makes slow is not the candidate's fault",
                            noise_complaint(worst), fmt::join(names, ", ")));
}

void warn_no_tokenizer(const RunResult& result, std::vector<std::string>& out) {
  for (const CandidateResult& candidate : result.candidates) {
    if (candidate.profile && !candidate.profile->has_tokenizer) {
      out.push_back(fmt::format("{}: no tokenizer; random token ids were sent and pre-processing was not measured",
                                candidate.candidate.name));
    }
  }
}

}  // namespace

std::vector<std::string> find_config_warnings(const Config& config) {
  std::vector<std::string> out;
  const auto& latency = config.budget.latency_ms;
  if (!latency.any() && !config.budget.ttft_ms.any()) {
    out.push_back("no latency budget: the slowest candidate passes as well as the fastest");
  } else if (!latency.p99 && !config.budget.ttft_ms.p99) {
    out.push_back("no p99 in the budget: the slowest requests, which users remember, decide nothing");
  }
  if (!config.price.usd_per_hour) out.push_back("no price: candidates are ranked by replicas, and no bill is projected");
  if (!config.quality.max_loss && !config.quality.min)
    out.push_back("no quality limit (max_loss or min): the smallest candidate wins however bad it is");
  if (!config.budget.ram_gb && !latency.any())
    out.push_back("neither ram_gb nor latency_ms is limited: no candidate can be ruled out before measuring");
  if (config.candidates.size() == 1) out.push_back("one model only: whether a smaller one would do is not asked");
  return out;
}

std::vector<std::string> find_warnings(const RunResult& result, const Config& config) {
  std::vector<std::string> out;
  warn_quality_is_free(result, config, out);
  warn_tail_decides(result, config, out);
  warn_extremes(result, out);
  const auto config_warnings = find_config_warnings(config);
  out.insert(out.end(), config_warnings.begin(), config_warnings.end());
  warn_no_tokenizer(result, out);
  warn_noise(result, out);
  return out;
}

}  // namespace siskin::selector
