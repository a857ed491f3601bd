// Memory, bandwidth and arithmetic bounds of a candidate, held against the budget.
#include "selector/feasibility.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "selector/parts.h"
#include "selector/project.h"
#include "selector/report_text.h"

namespace siskin::selector {
namespace {

double peak_gflops(const MachineProfile& machine) {
  double peak = 0;
  for (const auto& unit :
       {machine.peak_f32, machine.peak_bf16, machine.peak_int8_vector, machine.peak_int8_matrix, machine.peak_bf16_matrix}) {
    peak = std::max(peak, unit.value_or(0));
  }
  return peak;
}

// Multiply-adds of every prompt token: all active weights but embedding and head. A tied head is counted once in active_params,
// an untied one twice; taking two away keeps this a lower bound in both cases.
double body_flops(const ModelInfo& info) {
  const double vocabulary = 2.0 * static_cast<double>(info.n_vocab) * static_cast<double>(info.d_model);
  return 2.0 * std::max(0.0, static_cast<double>(info.active_params) - vocabulary);
}

double head_flops(const ModelInfo& info) { return 2.0 * static_cast<double>(info.n_vocab) * static_cast<double>(info.d_model); }

void check_latency(const PercentileLimits& limits, std::string_view key, double bound_ms, const Config& config,
                   std::vector<Finding>& findings) {
  const std::array<std::pair<std::optional<double>, double>, 3> rows = {
      {{limits.p50, 0.5}, {limits.p95, 0.95}, {limits.p99, 0.99}}};
  for (const auto& [limit, percentile] : rows) {
    if (!limit) continue;
    // Every request takes at least the bound, so the sum's quantile is at least the bound plus the declared part's quantile.
    const double outside =
        std::max(quantile_ms(config.budget.network, percentile), quantile_ms(config.budget.preprocess, percentile));
    const double least = bound_ms + outside;
    if (least <= *limit) continue;
    Finding finding;
    finding.kind = FailKind::latency;
    finding.stage = "bounds";
    finding.rule = fmt::format("{}.p{:.0f}", key, percentile * 100);
    finding.found = bound(least);
    finding.limit = *limit;
    finding.reason = fmt::format(
        "{} is at least {:.3g} ms on this machine ({:.3g} ms in the engine, {:.3g} ms declared outside), the budget is {:.3g} "
        "ms",
        finding.rule, least, bound_ms, outside, *limit);
    finding.cheapest_change = fmt::format("{} of at least {:.3g} ms", finding.rule, least);
    findings.push_back(std::move(finding));
  }
}

void check_memory(const Bounds& bounds, const Config& config, const MachineProfile& machine, std::vector<Finding>& findings) {
  const double machine_gb = static_cast<double>(machine.memory_bytes) / 1e9;
  const bool by_budget = config.budget.ram_gb && (machine_gb == 0 || *config.budget.ram_gb <= machine_gb);
  if (!by_budget && machine_gb == 0) return;
  const double limit = by_budget ? *config.budget.ram_gb : machine_gb;
  if (bounds.memory_gb <= limit) return;
  Finding finding;
  finding.kind = FailKind::memory;
  finding.stage = "bounds";
  finding.rule = "ram_gb";
  finding.found = bound(bounds.memory_gb);
  finding.limit = limit;
  finding.reason = fmt::format("needs at least {:.3g} GB (all weights, one request's state), {} {:.3g} GB", bounds.memory_gb,
                               by_budget ? "the budget is" : "this machine has", limit);
  finding.cheapest_change = fmt::format("{} of at least {:.3g} GB", by_budget ? "ram_gb" : "a machine", bounds.memory_gb);
  findings.push_back(std::move(finding));
}

// Out only where no volume's limit can be met: a candidate too dear at one volume may win at another.
void check_cost(const Bounds& bounds, const Config& config, std::vector<Finding>& findings) {
  if (!config.price.usd_per_hour || bounds.max_qps <= 0) return;
  std::optional<Finding> last;
  for (const Volume& volume : config.volumes) {
    if (!volume.usd_per_month) return;
    const CostRow row = project_cost(volume, bounds.max_qps, config.price);
    if (*row.usd_per_month <= *volume.usd_per_month) return;
    Finding finding;
    finding.kind = FailKind::cost;
    finding.stage = "bounds";
    finding.rule = "usd_per_month";
    finding.found = bound(*row.usd_per_month);
    finding.limit = *volume.usd_per_month;
    finding.reason = fmt::format("at {} the bill is at least ${:.0f} a month, the budget is ${:.0f}", format_rate(volume.qps),
                                 *row.usd_per_month, *volume.usd_per_month);
    finding.cheapest_change =
        fmt::format("usd_per_month of at least {:.0f} at {}", *row.usd_per_month, format_rate(volume.qps));
    last = std::move(finding);
  }
  if (last) findings.push_back(std::move(*last));
}

}  // namespace

std::string_view fail_kind_name(FailKind kind) {
  switch (kind) {
    case FailKind::quality:
      return "quality";
    case FailKind::latency:
      return "latency";
    case FailKind::cost:
      return "cost";
    case FailKind::memory:
      return "memory";
    case FailKind::error:
      break;
  }
  return "error";
}

double bandwidth_limit_gb_s(const MachineProfile& machine, double bytes) {
  double fitting_mb = 0;
  for (const ReadBandwidth& row : machine.read_gb_s) {
    if (row.mb * 1e6 <= bytes) fitting_mb = std::max(fitting_mb, row.mb);
  }
  double best = 0;
  for (const ReadBandwidth& row : machine.read_gb_s) {
    if (row.mb >= fitting_mb) best = std::max(best, row.gb_s);
  }
  return best > 0 ? best : machine.read_gb_s_max;
}

Bounds compute_bounds(const ModelInfo& info, const Workload& workload, const MachineProfile& machine) {
  Bounds out;
  const double bytes = static_cast<double>(info.active_weight_bytes);
  const double prompt = static_cast<double>(workload.prompt_tokens), output = static_cast<double>(workload.output_tokens);
  out.memory_gb = static_cast<double>(info.memory_needed_bytes) / 1e9;
  out.bandwidth_gb_s = bandwidth_limit_gb_s(machine, bytes);
  out.peak_gflops = peak_gflops(machine);
  const double read_ms = out.bandwidth_gb_s > 0 ? bytes / (out.bandwidth_gb_s * 1e6) : 0;
  const auto arithmetic_ms = [&](double flops) { return out.peak_gflops > 0 ? flops / (out.peak_gflops * 1e6) : 0; };
  const double prompt_flops = body_flops(info) * prompt + head_flops(info);
  const double token_flops = body_flops(info) + head_flops(info);
  out.ttft_ms = std::max(read_ms, arithmetic_ms(prompt_flops));
  out.latency_ms =
      out.ttft_ms + (output - 1) * std::max(read_ms, arithmetic_ms(token_flops));  // the prompt's pass yields the first
  const double request_ms = arithmetic_ms(prompt_flops + (output - 1) * token_flops);
  out.max_qps = request_ms > 0 ? 1e3 / request_ms : 0;
  return out;
}

std::vector<Finding> check_bounds(const Bounds& bounds, const Config& config, const MachineProfile& machine) {
  std::vector<Finding> findings;
  check_memory(bounds, config, machine, findings);
  check_latency(config.budget.latency_ms, "latency_ms", bounds.latency_ms, config, findings);
  check_latency(config.budget.ttft_ms, "ttft_ms", bounds.ttft_ms, config, findings);
  check_cost(bounds, config, findings);
  return findings;
}

}  // namespace siskin::selector
