// report.html: the choice as the headline, three charts, and tables that say the same without scripts.
#include <fmt/format.h>

#include <algorithm>

#include "selector/assets.h"
#include "selector/report.h"
#include "selector/report_text.h"

namespace siskin::selector {
namespace {

using Json = nlohmann::json;

std::string text_of(const Json& value) { return escape_html(value.get<std::string>()); }

// A number with a superscript for every source but "measured".
template <class Format>
std::string number(const Json& quantity, const Format& format) {
  if (!has_value(quantity)) return "<span class=\"soft\">–</span>";
  const std::string source = source_of(quantity), shown = escape_html(format(value_of(quantity)));
  if (source == "measured") return shown;
  return fmt::format("{}<sup class=\"src\" title=\"{}\">{}</sup>", shown, source, source.substr(0, 1));
}

std::string against_reference(const Json& choice) {
  const Json usd = choice.value("usd_per_month", Json());
  if (!choice.contains("reference") || !has_value(usd) || !has_value(choice["reference"].at("usd_per_month"))) return "";
  const Json& reference = choice["reference"];
  const double own = value_of(usd), theirs = value_of(reference.at("usd_per_month"));
  if (reference.at("name") == choice.at("name") || theirs <= 0) return "";
  if (own == theirs)
    return fmt::format("<div class=\"against soft\">{} would cost the same.</div>", text_of(reference.at("name")));
  const double share = std::clamp(own / theirs, 0.0, 1.0);
  return fmt::format(
      "<div class=\"against\"><div class=\"meter\" role=\"img\" aria-label=\"{0:.0f}% of the original's bill\"><span "
      "style=\"width:{0:.1f}%\"></span></div>"
      "{1} of the {2} that {3} would cost</div>",
      share * 100, format_percent(own / theirs), format_usd(theirs), text_of(reference.at("name")));
}

std::string choice_card(const Json& choice) {
  const std::string at =
      format_count(choice.at("qps").get<double>()) + (choice.at("qps") == 1.0 ? " request a second" : " requests a second");
  if (choice.at("name").is_null()) {
    return fmt::format(
        "<article class=\"card none\"><div class=\"at\">{}</div><div class=\"name\">nothing passes</div><div "
        "class=\"why\">{}</div></article>",
        at, text_of(choice.at("why")));
  }
  const double replicas = value_of(choice.at("replicas"));
  const Json& usd = choice.at("usd_per_month");
  std::string bill = fmt::format("{} {}", format_count(replicas), replicas == 1 ? "replica" : "replicas");
  if (has_value(usd)) {
    bill =
        fmt::format("<strong>{}</strong> a month · {}<br><span class=\"soft small\">{} per million requests · {} idle</span>",
                    format_usd(value_of(usd)), bill, format_usd(value_of(choice.at("usd_per_request")) * 1e6),
                    format_percent(value_of(choice.at("idle_share"))));
  }
  return fmt::format(
      "<article class=\"card\"><div class=\"at\">{}</div><div class=\"name\">{}</div><div class=\"bill\">{}</div>{}<div "
      "class=\"why\">{}</div></article>",
      at, text_of(choice.at("name")), bill, against_reference(choice), text_of(choice.at("why")));
}

std::string headline(const Json& result) {
  std::vector<std::string> names;
  bool missing = false;
  for (const Json& choice : result.at("chosen")) {
    if (choice.at("name").is_null()) {
      missing = true;
    } else if (std::find(names.begin(), names.end(), choice["name"].get<std::string>()) == names.end()) {
      names.push_back(choice["name"].get<std::string>());
    }
  }
  if (names.empty()) return "Nothing passes yet";
  if (names.size() == 1 && !missing) return "Serve " + escape_html(names.front());
  // The largest volume with a choice: there the choice is worth most.
  const Json* largest = nullptr;
  for (const Json& choice : result.at("chosen")) {
    const bool larger = largest == nullptr || choice.at("qps").get<double>() > largest->at("qps").get<double>();
    if (!choice.at("name").is_null() && larger) largest = &choice;
  }
  return fmt::format("At {}, serve {}", format_rate(largest->at("qps").get<double>()), text_of(largest->at("name")));
}

std::string candidate_rows(const Json& result) {
  const std::string metric = result.at("task").at("metric").get<std::string>();
  std::string out;
  for (const Json& candidate : result.at("candidates")) {
    const Json &quality = candidate.at("quality"), &latency = candidate.at("latency_ms"), &loss = quality.at("loss");
    std::string loss_text = number(loss, format_percent);
    if (loss.contains("ci")) {
      loss_text += fmt::format(" <span class=\"soft\">[{}, {}]</span>", format_percent(loss["ci"].at(0).get<double>()),
                               format_percent(loss["ci"].at(1).get<double>()));
    }
    std::string p99 = number(latency.at("p99"), format_ms);
    if (has_value(latency.at("p99_upper")))
      p99 += fmt::format(" <span class=\"soft\" title=\"upper bound from {} requests\">≤ {}</span>",
                         number(latency.at("n"), format_count), format_ms(value_of(latency["p99_upper"])));
    if (latency.contains("note"))
      p99 = fmt::format("<span class=\"soft\" title=\"{}\">n too small</span>", text_of(latency["note"]));
    const std::string status = candidate.at("status").get<std::string>();
    out += fmt::format(
        "<tr><td class=\"name\">{}{}</td><td class=\"status {}\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td "
        "class=\"n\">{}</td><td class=\"n\">{}</td>"
        "<td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
        text_of(candidate.at("name")), candidate.at("reference").get<bool>() ? " <span class=\"soft\">original</span>" : "",
        escape_html(status), escape_html(status == "ruled_out" ? "ruled out" : status),
        number(quality, [&](double value) { return format_quality(value, metric); }), loss_text,
        number(latency.at("p50"), format_ms), number(latency.at("p95"), format_ms), p99,
        number(candidate.at("bytes_per_token"), format_bytes),
        number(candidate.at("ram_gb"), [](double gb) { return format_bytes(gb * 1e9); }),
        number(candidate.at("max_qps_per_replica"), format_count));
  }
  return out;
}

std::string elimination_rows(const Json& result) {
  std::string out;
  for (const Json& candidate : result.at("candidates")) {
    bool first = true;
    for (const Json& finding : candidate.at("findings")) {
      out += fmt::format(
          "<tr><td class=\"name\">{}</td><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{:.4g}</td><td "
          "class=\"words\">{}</td><td class=\"words\">{}</td></tr>\n",
          first ? text_of(candidate.at("name")) : "", text_of(finding.at("stage")), text_of(finding.at("rule")),
          number(finding.at("found"), [](double value) { return fmt::format("{:.4g}", value); }),
          finding.at("limit").get<double>(), text_of(finding.at("reason")), text_of(finding.at("cheapest_change")));
      first = false;
    }
  }
  return out;
}

std::string cost_section(const Json& result) {
  std::string head, rows;
  for (const Json& choice : result.at("chosen"))
    head += fmt::format("<th class=\"n\">{}</th>", format_rate(choice.at("qps").get<double>()));
  for (const Json& candidate : result.at("candidates")) {
    if (candidate.at("cost").empty()) continue;
    rows += fmt::format("<tr><td class=\"name\">{}</td>", text_of(candidate.at("name")));
    for (const Json& cost : candidate["cost"]) {
      rows += fmt::format("<td class=\"n\">{} <span class=\"soft\">on {}</span></td>",
                          number(cost.at("usd_per_month"), format_usd), format_count(value_of(cost.at("replicas"))));
    }
    rows += "</tr>\n";
  }
  if (rows.empty()) return "";
  return "<h2>The bill, by volume</h2><p class=\"soft\">Dollars a month and replicas, at the declared price; candidates that "
         "fail on quality are shown for comparison.</p>"
         "<div class=\"scroll\"><table><thead><tr><th>candidate</th>" +
         head + "</tr></thead><tbody>" + rows + "</tbody></table></div>";
}

std::string limit_text(const Json& limits) {
  std::string out;
  for (const char* key : {"p50", "p95", "p99"}) {
    if (!limits.at(key).is_null())
      out += fmt::format("{}{} {} ms", out.empty() ? "" : ", ", key, format_count(limits[key].get<double>()));
  }
  return out.empty() ? "none" : out;
}

std::string part_text(const Json& part) {
  if (part.is_null()) return "not counted";
  const std::string kind = part.at("kind").get<std::string>();
  if (kind == "lognormal")
    return fmt::format("lognormal, p50 {} ms, p99 {} ms (declared)", format_ms(value_of(part.at("p50"))),
                       format_ms(value_of(part.at("p99"))));
  return kind == "measured" ? "measured with every request" : fmt::format("{} samples (declared)", part.at("n").get<size_t>());
}

std::string conditions(const Json& result) {
  const Json &machine = result.at("machine"), &workload = result.at("workload"), &task = result.at("task"),
             &budget = result.at("budget"), &price = result.at("price");
  std::string out = "<dl>";
  const auto row = [&](std::string_view term, const std::string& text) {
    out += fmt::format("<dt>{}</dt><dd>{}</dd>", term, text);
  };
  row("Machine", fmt::format("{}, {} threads, {}; reads up to {:.0f} GB/s", text_of(machine.at("cpu")),
                             machine.at("threads").get<unsigned>(), text_of(machine.at("isa")),
                             has_value(machine.at("read_gb_s_max")) ? value_of(machine["read_gb_s_max"]) : 0.0));
  row("Request", fmt::format("{} prompt and {} output tokens, {} arrivals, seed {}", workload.at("prompt_tokens").get<size_t>(),
                             workload.at("output_tokens").get<size_t>(), text_of(workload.at("arrivals")),
                             workload.at("seed").get<uint64_t>()));
  row("Latency budget", limit_text(budget.at("latency_ms")) + "; first token: " + limit_text(budget.at("ttft_ms")));
  row("Network", part_text(budget.at("parts").at("network")));
  row("Pre-processing", part_text(budget.at("parts").at("preprocess")));
  row("Confidence",
      fmt::format(
          "a percentile passes when its upper bound at {:g} (order statistics, no distribution assumed) meets the limit",
          budget.at("confidence").get<double>()));
  row("Load",
      fmt::format("latency is taken at {:.0f}% of the highest rate that meets the budget, from the moment each request was due",
                  price.at("headroom").get<double>() * 100));
  row("Quality", fmt::format("{} over {} {} of {}, scored with the kernels that serve; paired bootstrap against the original",
                             text_of(task.at("metric")), task.at("units").get<size_t>(), text_of(task.at("unit")),
                             text_of(task.at("file"))));
  row("Engine", fmt::format("siskin {}, finished {}", text_of(result.at("engine")), text_of(result.at("finished_at"))));
  return out + "</dl>";
}

std::string chart(std::string_view id, std::string_view title, std::string_view caption, std::string_view label, bool wide) {
  return fmt::format(
      "<section class=\"chart{}\"><h3>{}</h3><div class=\"soft small\">{}</div><div class=\"area\"><canvas id=\"{}\" "
      "role=\"img\" aria-label=\"{}\"></canvas></div></section>",
      wide ? " wide" : "", title, caption, id, label);
}

}  // namespace

std::string report_html(const Json& result) {
  std::string cards, notes;
  for (const Json& choice : result.at("chosen")) cards += choice_card(choice);
  for (const Json& warning : result.at("warnings")) notes += fmt::format("<li>{}</li>", text_of(warning));
  const std::string out_rows = elimination_rows(result);
  const std::string title = headline(result);

  std::string html =
      "<!doctype html>\n<html lang=\"en\" class=\"no-script\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'unsafe-inline'; style-src "
      "'unsafe-inline'; img-src data:\">\n";
  html += "<title>" + title + " · siskin</title>\n<style>\n" + std::string(asset_report_style()) + "</style>\n";
  html += "<script>document.documentElement.className = '';</script>\n</head>\n<body>\n";
  html += "<header><div class=\"brand\">siskin selector</div><h1>" + title +
          "</h1><p class=\"soft\">The cheapest candidate that is good enough and fast enough, at each volume, measured on " +
          text_of(result.at("machine").at("cpu")) + ".</p><div class=\"cards\">" + cards + "</div></header>\n<main>\n";
  if (!notes.empty()) html += "<h2>Worth knowing</h2><ul class=\"notes\">" + notes + "</ul>\n";
  html +=
      "<noscript><p class=\"soft\">Charts need scripts; the tables below say the same.</p></noscript>\n<div class=\"charts\" "
      "style=\"margin-top:2.6em\">";
  html += chart("size-chart", "Quality against size", "Up is better. Bars are confidence intervals; hollow points do not pass.",
                "Quality against size of every candidate", false);
  html += chart("latency-chart", "Quality against latency",
                "Up and left is better. The stepped line is the front that nothing beats.",
                "Quality against p99 latency with the budget", false);
  html += chart("cost-chart", "The bill against volume",
                "Candidates that pass. Flat where the fewest replicas suffice, stepped where one more is needed.",
                "Dollars a month against requests a second", true);
  html +=
      "</div>\n<h2>Candidates</h2><div class=\"scroll\"><table><thead><tr><th>candidate</th><th>status</th><th class=\"n\">" +
      text_of(result.at("task").at("metric")) +
      "</th><th class=\"n\">loss [interval]</th><th class=\"n\">p50 ms</th><th class=\"n\">p95 ms</th><th class=\"n\">p99 "
      "ms</th>"
      "<th class=\"n\">bytes/token</th><th class=\"n\">memory</th><th class=\"n\">rate/replica</th></tr></thead><tbody>\n" +
      candidate_rows(result) +
      "</tbody></table></div>\n<p class=\"soft small\">Rate is requests a second that one replica reaches within the budget. "
      "Measured unless marked: <sup>b</sup> bound, <sup>e</sup> estimated, "
      "<sup>d</sup> declared, – not measured.</p>\n";
  html += cost_section(result);
  if (!out_rows.empty()) {
    html +=
        "<h2>Who is out, where and why</h2><div "
        "class=\"scroll\"><table><thead><tr><th>candidate</th><th>stage</th><th>rule</th><th class=\"n\">found</th><th "
        "class=\"n\">limit</th>"
        "<th>why</th><th>cheapest change that would pass</th></tr></thead><tbody>\n" +
        out_rows + "</tbody></table></div>\n";
  }
  html +=
      "<h2>How it was measured</h2>" + conditions(result) +
      "</main>\n<footer>This page is one file and loads nothing from the network. Charts: Chart.js, MIT licence.</footer>\n";
  html += "<script type=\"application/json\" id=\"data\">" + json_for_script(result) + "</script>\n<script>" +
          std::string(asset_chart_library()) + "</script>\n<script>" + std::string(asset_report_script()) +
          "</script>\n</body>\n</html>\n";
  return html;
}

}  // namespace siskin::selector
