// The plan as aligned text and as JSON.
#include "selector/plan_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "selector/report_text.h"

namespace siskin::selector {

std::string plan_text(const RunResult& plan) {
  size_t width = 9;
  for (const auto& entry : plan.candidates) width = std::max(width, entry.candidate.name.size());
  std::string out = fmt::format("{:<{}}  {:>10}  {:>10}  {:>11}  {:>13}  {:>12}  {}\n", "candidate", width, "memory",
                                "bytes/token", "ttft >=", "latency >=", "rate <=", "verdict");
  size_t remaining = 0;
  for (const auto& entry : plan.candidates) {
    const bool out_already = !entry.findings.empty();
    if (!out_already) ++remaining;
    const std::string verdict =
        out_already ? "ruled out: " + entry.findings.front().reason + "; would pass: " + entry.findings.front().cheapest_change
                    : "to be measured";
    out += fmt::format(
        "{:<{}}  {:>10}  {:>10}  {:>8} ms  {:>10} ms  {:>10}/s  {}\n", entry.candidate.name, width,
        format_bytes(entry.bounds.memory_gb * 1e9), format_bytes(static_cast<double>(entry.candidate.info.active_weight_bytes)),
        format_ms(entry.bounds.ttft_ms), format_ms(entry.bounds.latency_ms), format_count(entry.bounds.max_qps), verdict);
  }
  out += fmt::format("{} of {} candidates remain to be measured. Bounds are limits of the machine, not predictions.\n",
                     remaining, plan.candidates.size());
  for (const auto& warning : plan.warnings) out += "warning: " + warning + "\n";
  return out;
}

nlohmann::json plan_json(const RunResult& plan) {
  nlohmann::json candidates = nlohmann::json::array();
  for (const auto& entry : plan.candidates) {
    const Finding* first = entry.findings.empty() ? nullptr : &entry.findings.front();
    candidates.push_back({{"name", entry.candidate.name},
                          {"status", status_name(entry.status)},
                          {"stage", first ? nlohmann::json(first->stage) : nlohmann::json(nullptr)},
                          {"rule", first ? nlohmann::json(first->rule) : nlohmann::json(nullptr)},
                          {"reason", first ? nlohmann::json(first->reason) : nlohmann::json(nullptr)},
                          {"cheapest_change", first ? nlohmann::json(first->cheapest_change) : nlohmann::json(nullptr)},
                          {"limit", first ? nlohmann::json(first->limit) : nlohmann::json(nullptr)},
                          {"ram_gb", to_json(bound(entry.bounds.memory_gb))},
                          {"bytes_per_token", to_json(bound(static_cast<double>(entry.candidate.info.active_weight_bytes)))},
                          {"ttft_ms", to_json(bound(entry.bounds.ttft_ms))},
                          {"latency_ms", to_json(bound(entry.bounds.latency_ms))},
                          {"max_qps", to_json(bound(entry.bounds.max_qps))}});
  }
  return {{"candidates", std::move(candidates)}, {"warnings", plan.warnings}};
}

}  // namespace siskin::selector
