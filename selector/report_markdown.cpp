// report.md: the choice, the candidates, who is out and why, warnings and how it was measured.
#include <fmt/format.h>

#include "selector/report.h"
#include "selector/report_text.h"

namespace siskin::selector {
namespace {

using Json = nlohmann::json;

// A number with its source unless it was measured: "~12.3" estimated, ">= 4.1" bound, "not measured".
std::string marked(const Json& quantity, const std::string& text) {
  const std::string source = source_of(quantity);
  if (source == "estimated") return "~" + text;
  if (source == "bound") return "≥ " + text;
  if (source == "declared") return text + " (declared)";
  return text;
}

template <class Format>
std::string cell(const Json& quantity, const Format& format) {
  return has_value(quantity) ? marked(quantity, format(value_of(quantity))) : "not measured";
}

std::string choices(const Json& result) {
  std::string out;
  for (const Json& choice : result.at("chosen")) {
    const std::string qps = format_rate(choice.at("qps").get<double>());
    const std::string why = escape_markdown(choice.at("why").get<std::string>());
    if (choice.at("name").is_null()) {
      out += fmt::format("- **{}: none.** {}\n", qps, why);
      continue;
    }
    const Json& usd = choice.at("usd_per_month");
    out +=
        fmt::format("- **{}: {}**, {} {}{}. {}\n", qps, escape_markdown(choice.at("name").get<std::string>()),
                    format_count(value_of(choice.at("replicas"))), value_of(choice["replicas"]) == 1 ? "replica" : "replicas",
                    has_value(usd) ? ", " + format_usd(value_of(usd)) + " a month" : "", why);
  }
  return out;
}

std::string candidate_table(const Json& result) {
  const std::string metric = result.at("task").at("metric").get<std::string>();
  std::string out = fmt::format(
      "| candidate | status | {} | loss against the original | p50 ms | p95 ms | p99 ms (upper bound) | bytes/token | memory "
      "GB | requests/s per replica |\n"
      "|---|---|---|---|---|---|---|---|---|---|\n",
      escape_markdown(metric));
  for (const Json& candidate : result.at("candidates")) {
    const Json &quality = candidate.at("quality"), &latency = candidate.at("latency_ms"), &loss = quality.at("loss");
    std::string p99 = cell(latency.at("p99"), format_ms);
    if (has_value(latency.at("p99_upper"))) p99 += " (" + format_ms(value_of(latency.at("p99_upper"))) + ")";
    if (latency.contains("note")) p99 = "n too small";
    std::string loss_text = cell(loss, format_percent);
    if (loss.contains("ci"))
      loss_text +=
          fmt::format(" [{}, {}]", format_percent(loss["ci"][0].get<double>()), format_percent(loss["ci"][1].get<double>()));
    out += fmt::format(
        "| {}{} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n", escape_markdown(candidate.at("name").get<std::string>()),
        candidate.at("pareto").get<bool>() ? " (front)" : "", escape_markdown(candidate.at("status").get<std::string>()),
        cell(quality, [&](double value) { return format_quality(value, metric); }), loss_text,
        cell(latency.at("p50"), format_ms), cell(latency.at("p95"), format_ms), p99,
        cell(candidate.at("bytes_per_token"), format_bytes),
        cell(candidate.at("ram_gb"), [](double gb) { return fmt::format("{:.3g}", gb); }),
        cell(candidate.at("max_qps_per_replica"), format_count));
  }
  return out;
}

std::string cost_table(const Json& result) {
  std::string head = "| candidate |", rule = "|---|", out;
  for (const Json& choice : result.at("chosen")) {
    head += fmt::format(" {} |", format_rate(choice.at("qps").get<double>()));
    rule += "---|";
  }
  for (const Json& candidate : result.at("candidates")) {
    if (candidate.at("cost").empty()) continue;
    out += fmt::format("| {} |", escape_markdown(candidate.at("name").get<std::string>()));
    for (const Json& cost : candidate.at("cost")) {
      out += fmt::format(" {} on {} replicas, {} idle |", cell(cost.at("usd_per_month"), format_usd),
                         format_count(value_of(cost.at("replicas"))), format_percent(value_of(cost.at("idle_share"))));
    }
    out += "\n";
  }
  return out.empty() ? "No candidate has a rate to plan with.\n" : head + "\n" + rule + "\n" + out;
}

std::string elimination_table(const Json& result) {
  std::string out =
      "| candidate | stage | rule | found | limit | why | cheapest change that would pass |\n|---|---|---|---|---|---|---|\n";
  bool any = false;
  for (const Json& candidate : result.at("candidates")) {
    for (const Json& finding : candidate.at("findings")) {
      any = true;
      out += fmt::format("| {} | {} | {} | {} | {:.4g} | {} | {} |\n", escape_markdown(candidate.at("name").get<std::string>()),
                         escape_markdown(finding.at("stage").get<std::string>()),
                         escape_markdown(finding.at("rule").get<std::string>()),
                         cell(finding.at("found"), [](double value) { return fmt::format("{:.4g}", value); }),
                         finding.at("limit").get<double>(), escape_markdown(finding.at("reason").get<std::string>()),
                         escape_markdown(finding.at("cheapest_change").get<std::string>()));
    }
  }
  return any ? out : "Every candidate that was measured passes.\n";
}

std::string conditions(const Json& result) {
  const Json &machine = result.at("machine"), &workload = result.at("workload"), &task = result.at("task"),
             &price = result.at("price");
  return fmt::format(
      "- Machine: {}, {} threads, {}, fingerprint `{}`\n- Workload: {} prompt and {} output tokens a request, {} arrivals, "
      "seed {}\n"
      "- Quality: {} over {} {} of {}, scored with the kernels that serve (decode), hash `{}`\n"
      "- Latency: from the moment a request was due, at the load that one replica is meant to carry (headroom {} of its "
      "highest rate), "
      "upper bounds by order statistics at {} confidence\n- Engine: siskin {}, finished {}\n",
      escape_markdown(machine.at("cpu").get<std::string>()), machine.at("threads").get<unsigned>(),
      escape_markdown(machine.at("isa").get<std::string>()), machine.at("fingerprint").get<std::string>().substr(0, 16),
      workload.at("prompt_tokens").get<size_t>(), workload.at("output_tokens").get<size_t>(),
      workload.at("arrivals").get<std::string>(), workload.at("seed").get<uint64_t>(),
      escape_markdown(task.at("metric").get<std::string>()), task.at("units").get<size_t>(), task.at("unit").get<std::string>(),
      escape_markdown(task.at("file").get<std::string>()), task.at("hash").get<std::string>().substr(0, 16),
      price.at("headroom").get<double>(), result.at("budget").at("confidence").get<double>(),
      escape_markdown(result.at("engine").get<std::string>()), result.at("finished_at").get<std::string>());
}

}  // namespace

std::string report_markdown(const Json& result) {
  std::string warnings;
  for (const Json& warning : result.at("warnings")) warnings += "- " + escape_markdown(warning.get<std::string>()) + "\n";
  return "# Which model to serve\n\n" + choices(result) + "\n## Candidates\n\n" + candidate_table(result) +
         "\nMeasured unless marked: ~ estimated, ≥ bound, (declared).\n\n## Cost by volume\n\n" + cost_table(result) +
         "\n## Who is out, where and why\n\n" + elimination_table(result) +
         (warnings.empty() ? "" : "\n## Worth knowing\n\n" + warnings) + "\n## How it was measured\n\n" + conditions(result);
}

}  // namespace siskin::selector
