// The choice per volume and the exit code.
#include "selector/choose.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "selector/report_text.h"

namespace siskin::selector {
namespace {

const CostRow* cost_at(const CandidateResult& candidate, const Volume& volume) {
  for (const CostRow& row : candidate.cost) {
    if (row.qps == volume.qps) return &row;
  }
  return nullptr;
}

bool affordable(const CandidateResult& candidate, const Volume& volume) {
  const CostRow* row = cost_at(candidate, volume);
  // Fails closed: a limit without a price is not met.
  return row != nullptr && (!volume.usd_per_month || (row->usd_per_month && *row->usd_per_month <= *volume.usd_per_month));
}

double active_bytes(const CandidateResult& candidate) {
  const double measured_bytes = candidate.profile ? candidate.profile->bytes_per_token : 0;
  return measured_bytes > 0 ? measured_bytes : static_cast<double>(candidate.candidate.info.active_weight_bytes);
}

// Cheapest first: fewer replicas, then fewer bytes per token, then the configuration's order.
bool cheaper(const CandidateResult& a, const CandidateResult& b, const Volume& volume) {
  const CostRow *x = cost_at(a, volume), *y = cost_at(b, volume);
  if (x->replicas != y->replicas) return x->replicas < y->replicas;
  return active_bytes(a) < active_bytes(b);
}

std::string money(const CostRow& row) {
  return row.usd_per_month ? format_usd(*row.usd_per_month) + " a month"
                           : fmt::format("{} replica{}", row.replicas, row.replicas == 1 ? "" : "s");
}

std::string quality_clause(const CandidateResult& candidate, const Config& config) {
  if (candidate.candidate.is_reference) return "is the original";
  const Quantity& loss = candidate.quality->loss;
  if (!loss.ci) return "has no measured loss";
  if (*loss.value < 0)
    return fmt::format("is {:.1f}% better than {} in {}", -*loss.value * 100, config.quality.reference,
                       metric_name(config.task.metric));
  return fmt::format("loses {:.1f}% (at most {:.1f}%) against {}", *loss.value * 100, std::max(0.0, loss.ci->high) * 100,
                     config.quality.reference);
}

std::string why_chosen(const RunResult& result, size_t index, const std::vector<size_t>& passing, const Volume& volume,
                       const Config& config) {
  const CandidateResult& chosen = result.candidates[index];
  const CostRow& row = *cost_at(chosen, volume);
  std::string why = fmt::format("{} {}", chosen.candidate.name, quality_clause(chosen, config));
  if (chosen.latency && chosen.latency->latency.p99.upper) {
    why += fmt::format(", answers within {:.3g} ms at p99 (upper bound)", *chosen.latency->latency.p99.upper);
  }
  why += fmt::format(" and costs {}", money(row));
  const auto ties = std::count_if(passing.begin(), passing.end(), [&](size_t other) {
    return other != index && cost_at(result.candidates[other], volume)->replicas == row.replicas;
  });
  if (passing.size() == 1) return why + ": the only candidate that passes";
  if (ties > 0)
    return why + fmt::format(", like {} other{}; it reads the fewest bytes per token of them", ties, ties == 1 ? "" : "s");
  return why + fmt::format(": the cheapest of the {} that pass", passing.size());
}

std::string why_none(const RunResult& result, const Volume& volume) {
  const CandidateResult* nearest = nullptr;
  for (const CandidateResult& candidate : result.candidates) {
    const CostRow* row = cost_at(candidate, volume);
    const bool only_cost = std::all_of(candidate.findings.begin(), candidate.findings.end(),
                                       [](const Finding& finding) { return finding.kind == FailKind::cost; });
    if (row == nullptr || !only_cost || !row->usd_per_month) continue;
    if (nearest == nullptr || *row->usd_per_month < *cost_at(*nearest, volume)->usd_per_month) nearest = &candidate;
  }
  if (nearest != nullptr && volume.usd_per_month) {
    return fmt::format("nothing that is good and fast enough fits ${:.0f} a month; the nearest is {} at {}",
                       *volume.usd_per_month, nearest->candidate.name, money(*cost_at(*nearest, volume)));
  }
  std::vector<std::string> counted;
  for (const FailKind kind : {FailKind::memory, FailKind::quality, FailKind::latency, FailKind::cost, FailKind::error}) {
    const auto count = std::count_if(result.candidates.begin(), result.candidates.end(), [&](const CandidateResult& candidate) {
      return !candidate.findings.empty() && candidate.findings.front().kind == kind && !candidate.findings.front().inconclusive;
    });
    if (count > 0) counted.push_back(fmt::format("{} by {}", count, fail_kind_name(kind)));
  }
  const auto open = std::count_if(result.candidates.begin(), result.candidates.end(), [](const CandidateResult& candidate) {
    return candidate.status == CandidateStatus::inconclusive;
  });
  if (open > 0) counted.push_back(fmt::format("{} left open for lack of samples", open));
  return fmt::format("no candidate passes: {}", fmt::join(counted, ", "));
}

// Among candidates with both measurements: not beaten in quality and latency by another.
void mark_pareto(RunResult& result, const Config& config) {
  const auto point = [&](const CandidateResult& candidate) -> std::optional<std::pair<double, double>> {
    if (!candidate.measured() || !candidate.latency->latency.p50.point) return std::nullopt;
    const auto& row = candidate.latency->latency;
    const double value = *candidate.quality->value.value;
    return std::pair{more_is_better(config.task.metric) ? -value : value, row.p99.point.value_or(*row.p50.point)};
  };
  for (CandidateResult& candidate : result.candidates) {
    const auto own = point(candidate);
    candidate.pareto =
        own.has_value() && std::none_of(result.candidates.begin(), result.candidates.end(), [&](const CandidateResult& other) {
          const auto theirs = point(other);
          return theirs && theirs->first <= own->first && theirs->second <= own->second && *theirs != *own;
        });
  }
}

int exit_code_of(const RunResult& result) {
  const auto chosen = std::count_if(result.chosen.begin(), result.chosen.end(),
                                    [](const Choice& choice) { return choice.candidate.has_value(); });
  if (chosen == static_cast<std::ptrdiff_t>(result.chosen.size())) return kExitChosen;
  // A candidate that is only left open could fill the volumes that none fills: then the answer is "measure more".
  const bool open = std::any_of(result.candidates.begin(), result.candidates.end(), [](const CandidateResult& candidate) {
    return candidate.status == CandidateStatus::inconclusive;
  });
  if (open) return kExitInconclusive;
  if (chosen > 0) return kExitMixed;
  std::set<FailKind> kinds;
  for (const CandidateResult& candidate : result.candidates) {
    for (const Finding& finding : candidate.findings) {
      if (!finding.inconclusive) kinds.insert(finding.kind);
    }
  }
  if (kinds == std::set{FailKind::quality}) return kExitQuality;
  if (kinds == std::set{FailKind::latency}) return kExitLatency;
  if (kinds == std::set{FailKind::cost}) return kExitCost;
  return kExitMixed;
}

}  // namespace

void judge_candidate(CandidateResult& candidate, const Config& config) {
  if (candidate.quality && candidate.quality->finding) candidate.findings.push_back(*candidate.quality->finding);
  if (candidate.latency) {
    candidate.findings.insert(candidate.findings.end(), candidate.latency->findings.begin(), candidate.latency->findings.end());
  }
  // A load that breaks the budget is no rate to plan with: without a passing or open latency there is no bill.
  const bool has_rate =
      candidate.profile && candidate.profile->max_qps > 0 && candidate.latency && candidate.latency->verdict != Verdict::fail;
  if (has_rate) {
    for (const Volume& volume : config.volumes)
      candidate.cost.push_back(project_cost(volume, candidate.profile->max_qps, config.price));
    const bool somewhere = std::any_of(config.volumes.begin(), config.volumes.end(),
                                       [&](const Volume& volume) { return affordable(candidate, volume); });
    if (!somewhere) {
      const Volume& volume = config.volumes.back();
      const CostRow& row = candidate.cost.back();
      Finding finding;
      finding.kind = FailKind::cost;
      finding.stage = "cost";
      finding.rule = "usd_per_month";
      finding.limit = *volume.usd_per_month;
      if (row.usd_per_month) {
        finding.found = estimated(*row.usd_per_month);
        finding.reason = fmt::format("${:.0f} a month at {} ({} replicas), the budget is ${:.0f}", *row.usd_per_month,
                                     format_rate(volume.qps), row.replicas, *volume.usd_per_month);
        finding.cheapest_change =
            fmt::format("usd_per_month of at least {:.0f} at {}", *row.usd_per_month, format_rate(volume.qps));
      } else {
        finding.reason = "a limit in dollars but no price: [price] usd_per_hour is missing";
        finding.cheapest_change = "[price] usd_per_hour";
      }
      candidate.findings.push_back(std::move(finding));
    }
  }
  std::stable_partition(candidate.findings.begin(), candidate.findings.end(),
                        [](const Finding& finding) { return !finding.inconclusive; });
  if (candidate.findings.empty()) {
    if (candidate.measured()) candidate.status = CandidateStatus::passed;
    return;
  }
  const Finding& first = candidate.findings.front();
  candidate.status = first.inconclusive              ? CandidateStatus::inconclusive
                     : first.kind == FailKind::error ? CandidateStatus::error
                     : first.stage == "bounds"       ? CandidateStatus::ruled_out
                                                     : CandidateStatus::failed;
}

bool passes_everywhere(const CandidateResult& candidate, const Config& config) {
  return candidate.status == CandidateStatus::passed &&
         std::all_of(config.volumes.begin(), config.volumes.end(),
                     [&](const Volume& volume) { return affordable(candidate, volume); });
}

void choose(RunResult& result, const Config& config) {
  mark_pareto(result, config);
  result.chosen.clear();
  for (const Volume& volume : config.volumes) {
    std::vector<size_t> passing;
    for (size_t i = 0; i < result.candidates.size(); ++i) {
      const CandidateResult& candidate = result.candidates[i];
      if (candidate.status == CandidateStatus::passed && affordable(candidate, volume)) passing.push_back(i);
    }
    Choice choice;
    choice.volume = volume;
    if (passing.empty()) {
      choice.why = why_none(result, volume);
    } else {
      choice.candidate = *std::min_element(passing.begin(), passing.end(), [&](size_t a, size_t b) {
        return cheaper(result.candidates[a], result.candidates[b], volume);
      });
      choice.why = why_chosen(result, *choice.candidate, passing, volume, config);
    }
    result.chosen.push_back(std::move(choice));
  }
  result.exit_code = exit_code_of(result);
}

}  // namespace siskin::selector
