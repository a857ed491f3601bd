// Escaping and number formats.
#include "selector/report_text.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

namespace siskin::selector {
namespace {

std::string grouped(const std::string& digits) {
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string escape_markdown(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n' || c == '\r') {
      out += ' ';
    } else if (c == '<') {
      out += "&lt;";
    } else {
      if (std::string_view("|`*_[]\\").find(c) != std::string_view::npos) out += '\\';
      out += c;
    }
  }
  return out;
}

std::string json_for_script(const nlohmann::json& document) {
  std::string out;
  for (const char c : document.dump(-1, ' ', true)) {  // ASCII only: no U+2028 either
    switch (c) {
      case '<':
        out += "\\u003c";
        break;
      case '>':
        out += "\\u003e";
        break;
      case '&':
        out += "\\u0026";
        break;
      default:
        out += c;
    }
  }
  return out;
}

bool has_value(const nlohmann::json& quantity) {
  return quantity.is_object() && quantity.contains("value") && quantity["value"].is_number();
}
double value_of(const nlohmann::json& quantity) { return quantity.at("value").get<double>(); }
std::string source_of(const nlohmann::json& quantity) {
  return quantity.is_object() ? quantity.value("source", "not-measured") : "not-measured";
}

std::string format_ms(double ms) {
  if (ms >= 100) return grouped(fmt::format("{:.0f}", ms));
  return ms >= 10 ? fmt::format("{:.1f}", ms) : fmt::format("{:.2f}", ms);
}

std::string format_count(double count) {
  if (count >= 100) return grouped(fmt::format("{:.0f}", count));
  return fmt::format("{:.3g}", count);
}

std::string format_rate(double qps) { return fmt::format("{} request{}/s", format_count(qps), qps == 1 ? "" : "s"); }

std::string format_usd(double usd) {
  if (usd >= 100) return fmt::format("${}", grouped(fmt::format("{:.0f}", usd)));
  if (usd >= 0.01) return fmt::format("${:.2f}", usd);
  return fmt::format("${:.2g}", usd);
}

std::string format_bytes(double bytes) {
  static constexpr std::array<std::string_view, 5> kUnits = {"B", "kB", "MB", "GB", "TB"};
  size_t unit = 0;
  for (; bytes >= 1000 && unit + 1 < kUnits.size(); ++unit) bytes /= 1000;
  return fmt::format("{:.3g} {}", bytes, kUnits[unit]);
}

std::string format_params(double count) {
  if (count >= 1e9) return fmt::format("{:.2f} B", count / 1e9);
  if (count >= 1e6) return fmt::format("{:.2f} M", count / 1e6);
  return format_count(count);
}

std::string format_percent(double share) {
  const double percent = share * 100, size = std::abs(percent);
  std::string out = fmt::format("{:.{}f}%", percent, size < 1 ? 2 : size < 10 ? 1 : 0);
  return out == "-0.00%" ? "0.00%" : out;
}

std::string format_quality(double value, const std::string& metric) {
  if (metric == "accuracy") return fmt::format("{:.1f}%", value * 100);
  return metric == "perplexity" ? fmt::format("{:.2f}", value) : fmt::format("{:.4f}", value);
}

}  // namespace siskin::selector
