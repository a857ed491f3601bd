// result.json: the document that reports, databases and scripts read.
#include "selector/result.h"

#include <fmt/format.h>

#include <algorithm>

#include "selector/hash.h"
#include "selector/trials.h"

namespace siskin::selector {
namespace {

using Json = nlohmann::json;

Json optional_number(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Quantity measured_if(const std::optional<double>& value) { return value ? measured(*value) : Quantity{}; }

Json limits_json(const PercentileLimits& limits) {
  return {{"p50", optional_number(limits.p50)}, {"p95", optional_number(limits.p95)}, {"p99", optional_number(limits.p99)}};
}

Json part_json(const Part& part) {
  switch (part.kind) {
    case Part::Kind::absent:
      return nullptr;
    case Part::Kind::measured:
      return {{"kind", "measured"}};
    case Part::Kind::lognormal:
      return {{"kind", "lognormal"}, {"p50", to_json(declared(part.p50_ms))}, {"p99", to_json(declared(part.p99_ms))}};
    case Part::Kind::samples:
      break;
  }
  return {{"kind", "samples"}, {"n", part.samples_ms.size()}};
}

Json percentiles_json(const PercentileRow* row) {
  const PercentileRow none;
  const PercentileRow& from = row != nullptr ? *row : none;
  Json out = {{"p50", to_json(measured_if(from.p50.point))},
              {"p95", to_json(measured_if(from.p95.point))},
              {"p99", to_json(measured_if(from.p99.point))},
              {"p50_upper", to_json(measured_if(from.p50.upper))},
              {"p95_upper", to_json(measured_if(from.p95.upper))},
              {"p99_upper", to_json(measured_if(from.p99.upper))},
              {"n", to_json(row != nullptr ? measured(static_cast<double>(from.p99.n)) : Quantity{})}};
  if (row != nullptr && !from.p99.point)
    out["note"] = fmt::format("n too small for p99: {} of {} needed", from.p99.n, from.p99.needed);
  return out;
}

Json quality_json(const CandidateResult& candidate, const Config& config) {
  const QualityCheck none;
  const QualityCheck& check = candidate.quality ? *candidate.quality : none;
  Json out = to_json(check.value);
  out["metric"] = metric_name(config.task.metric);
  out["loss"] = to_json(check.loss);
  out["path"] = candidate.quality ? Json(candidate.quality_path) : Json(nullptr);
  return out;
}

Json cost_json(const CostRow& row) {
  const auto price = [](const std::optional<double>& value) { return value ? estimated(*value) : Quantity{}; };
  return {{"qps", row.qps},
          {"replicas", to_json(estimated(static_cast<double>(row.replicas)))},
          {"usd_per_month", to_json(price(row.usd_per_month))},
          {"usd_per_request", to_json(price(row.usd_per_request))},
          {"idle_share", to_json(estimated(row.idle_share))},
          {"load_qps_per_replica", to_json(estimated(row.load_qps_per_replica))}};
}

Json findings_json(const std::vector<Finding>& findings) {
  Json out = Json::array();
  for (const Finding& finding : findings) {
    out.push_back({{"kind", fail_kind_name(finding.kind)},
                   {"stage", finding.stage},
                   {"rule", finding.rule},
                   {"found", to_json(finding.found)},
                   {"limit", finding.limit},
                   {"inconclusive", finding.inconclusive},
                   {"reason", finding.reason},
                   {"cheapest_change", finding.cheapest_change}});
  }
  return out;
}

Json load_json(const Profile& profile) {
  Json closed = Json::array(), tries = Json::array();
  for (const auto& row : profile.closed) {
    closed.push_back({{"concurrency", row.concurrency},
                      {"n", row.n},
                      {"qps", to_json(measured(row.qps))},
                      {"mean_ms", to_json(measured(row.mean_ms))}});
  }
  for (const auto& row : profile.tries)
    tries.push_back({{"rate", to_json(declared(row.rate))}, {"n", row.n}, {"outcome", row.outcome}, {"noise", row.noise}});
  return {{"measured_at", profile.measured_at},
          {"carried_qps", to_json(measured(profile.carried_qps))},
          {"saturation_qps", to_json(measured(profile.saturation_qps))},
          {"preprocess_ms", to_json(measured(profile.preprocess_ms_mean))},
          {"dispatch_ms", to_json(measured(profile.dispatch_ms_mean))},
          {"bytes_per_token_loaded",
           to_json(profile.bytes_per_token_loaded > 0 ? measured(profile.bytes_per_token_loaded) : Quantity{})},
          {"bandwidth_share", to_json(profile.bandwidth_share > 0 ? measured(profile.bandwidth_share) : Quantity{})},
          {"noise", profile.noise},
          {"closed_loop", std::move(closed)},
          {"tries", std::move(tries)}};
}

Json candidate_json(const CandidateResult& candidate, const Config& config) {
  const ModelInfo& info = candidate.candidate.info;
  const auto parameters = [](uint64_t count) { return to_json(measured(static_cast<double>(count))); };  // counted in the file
  const Finding* first = candidate.findings.empty() ? nullptr : &candidate.findings.front();
  const bool has_rate =
      candidate.profile && candidate.latency && candidate.latency->verdict != Verdict::fail && candidate.profile->max_qps > 0;
  const double bytes = candidate.profile ? candidate.profile->bytes_per_token : 0;
  Json costs = Json::array();
  for (const CostRow& row : candidate.cost) costs.push_back(cost_json(row));
  Json out = {{"name", candidate.candidate.name},
              {"family", candidate.candidate.family},
              {"type", candidate.candidate.type},
              {"reference", candidate.candidate.is_reference},
              {"status", status_name(candidate.status)},
              {"stage", first ? Json(first->stage) : Json(nullptr)},
              {"reason", first ? Json(first->reason) : Json(nullptr)},
              {"cheapest_change", first ? Json(first->cheapest_change) : Json(nullptr)},
              {"findings", findings_json(candidate.findings)},
              {"quality", quality_json(candidate, config)},
              {"latency_ms", percentiles_json(candidate.latency ? &candidate.latency->latency : nullptr)},
              {"ttft_ms", percentiles_json(candidate.latency ? &candidate.latency->ttft : nullptr)},
              {"ram_gb", to_json(bound(candidate.bounds.memory_gb))},
              {"total_params", parameters(info.total_params)},
              {"active_params", parameters(info.active_params)},
              {"weight_bytes", to_json(candidate.candidate.info_exact ? measured(static_cast<double>(info.weight_bytes))
                                                                      : bound(static_cast<double>(info.weight_bytes)))},
              {"bytes_per_token", to_json(bytes > 0 ? measured(bytes) : bound(static_cast<double>(info.active_weight_bytes)))},
              {"max_qps_per_replica", to_json(has_rate ? estimated(candidate.profile->max_qps) : Quantity{})},
              {"bounds",
               {{"ttft_ms", to_json(bound(candidate.bounds.ttft_ms))},
                {"latency_ms", to_json(bound(candidate.bounds.latency_ms))},
                {"max_qps", to_json(bound(candidate.bounds.max_qps))},
                {"bandwidth_gb_s", to_json(measured(candidate.bounds.bandwidth_gb_s))},
                {"peak_gflops", to_json(measured(candidate.bounds.peak_gflops))}}},
              {"cost", std::move(costs)},
              {"pareto", candidate.pareto},
              {"content_hash", candidate.candidate.content_hash},
              {"load", candidate.profile ? load_json(*candidate.profile) : Json(nullptr)}};
  return out;
}

Json chosen_json(const RunResult& result) {
  Json out = Json::array();
  for (size_t i = 0; i < result.chosen.size(); ++i) {
    const Choice& choice = result.chosen[i];
    Json entry = {{"qps", choice.volume.qps},
                  {"name", nullptr},
                  {"why", choice.why},
                  {"usd_per_month", to_json(Quantity{})},
                  {"replicas", to_json(Quantity{})},
                  {"usd_per_month_limit", optional_number(choice.volume.usd_per_month)}};
    if (choice.candidate) {
      const CandidateResult& candidate = result.candidates[*choice.candidate];
      const Json cost = cost_json(candidate.cost[i]);
      entry["name"] = candidate.candidate.name;
      for (const char* key : {"usd_per_month", "replicas", "usd_per_request", "idle_share"}) entry[key] = cost[key];
      for (const CandidateResult& other : result.candidates) {
        if (other.candidate.is_reference && !other.cost.empty()) {
          entry["reference"] = {{"name", other.candidate.name},
                                {"usd_per_month", cost_json(other.cost[i])["usd_per_month"]},
                                {"replicas", cost_json(other.cost[i])["replicas"]}};
        }
      }
    }
    out.push_back(std::move(entry));
  }
  return out;
}

Json machine_json(const MachineProfile& machine) {
  const auto peak = [](const std::optional<double>& value) { return to_json(measured_if(value)); };
  return {{"cpu", machine.cpu},
          {"isa", machine.isa},
          {"threads", machine.threads},
          {"memory_gb", to_json(measured(static_cast<double>(machine.memory_bytes) / 1e9))},
          {"read_gb_s_max", to_json(measured(machine.read_gb_s_max))},
          {"peak_gflops",
           {{"f32", peak(machine.peak_f32)},
            {"bf16", peak(machine.peak_bf16)},
            {"int8_vector", peak(machine.peak_int8_vector)},
            {"int8_matrix", peak(machine.peak_int8_matrix)},
            {"bf16_matrix", peak(machine.peak_bf16_matrix)}}},
          {"fingerprint", machine.fingerprint},
          {"measured_at", machine.measured_at}};
}

}  // namespace

std::string_view status_name(CandidateStatus status) {
  switch (status) {
    case CandidateStatus::passed:
      return "passed";
    case CandidateStatus::failed:
      return "failed";
    case CandidateStatus::ruled_out:
      return "ruled_out";
    case CandidateStatus::inconclusive:
      return "inconclusive";
    case CandidateStatus::not_measured:
      return "not-measured";
    case CandidateStatus::error:
      break;
  }
  return "error";
}

Json result_json(const RunResult& result, const Config& config, const MachineProfile& machine, const Material& material,
                 const std::string& engine_version) {
  Json candidates = Json::array(), volumes = Json::array();
  for (const CandidateResult& candidate : result.candidates) candidates.push_back(candidate_json(candidate, config));
  for (const Volume& volume : config.volumes)
    volumes.push_back({{"qps", volume.qps}, {"usd_per_month", optional_number(volume.usd_per_month)}});
  const std::string at = utc_now();
  return {{"schema", kResultSchema},
          {"run_id", sha256(config.text + machine.fingerprint + at).substr(0, 16)},
          {"finished_at", at},
          {"engine", engine_version},
          {"exit_code", result.exit_code},
          {"chosen", chosen_json(result)},
          {"candidates", std::move(candidates)},
          {"machine", machine_json(machine)},
          {"task",
           {{"file", (config.task.items.empty() ? config.task.text : config.task.items).filename().string()},
            {"metric", metric_name(config.task.metric)},
            {"units", material.size()},
            {"unit", config.task.items.empty() ? "documents" : "items"},
            {"hash", material.hash}}},
          {"workload",
           {{"prompt_tokens", config.workload.prompt_tokens},
            {"output_tokens", config.workload.output_tokens},
            {"arrivals", config.workload.arrivals == Arrivals::poisson ? "poisson" : "closed"},
            {"seed", config.workload.seed}}},
          {"budget",
           {{"latency_ms", limits_json(config.budget.latency_ms)},
            {"ttft_ms", limits_json(config.budget.ttft_ms)},
            {"ram_gb", optional_number(config.budget.ram_gb)},
            {"confidence", config.budget.confidence},
            {"parts", {{"preprocess", part_json(config.budget.preprocess)}, {"network", part_json(config.budget.network)}}},
            {"volumes", std::move(volumes)}}},
          {"quality",
           {{"reference", config.quality.reference},
            {"max_loss", optional_number(config.quality.max_loss)},
            {"min", optional_number(config.quality.min)},
            {"confidence", config.quality.confidence}}},
          {"price",
           {{"usd_per_hour", optional_number(config.price.usd_per_hour)},
            {"headroom", config.price.headroom},
            {"min_replicas", config.price.min_replicas},
            {"hours_per_month", kHoursPerMonth}}},
          {"warnings", result.warnings}};
}

}  // namespace siskin::selector
