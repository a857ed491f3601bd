// trace_page: one HTML file, without scripts and without anything from elsewhere.
#include <siskin/trace.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace siskin {
namespace {

constexpr const char* kStyle =
    "body{font:14px/1.5 system-ui,sans-serif;margin:2rem;color:#1a1c1e;background:#fff}"
    "table{border-collapse:collapse;margin:1rem 0}"
    ".n td,.n th{padding:.1rem .7rem;text-align:right;border-bottom:1px solid #ddd}"
    ".map td{width:14px;height:14px;padding:0;border:1px solid #fff}.map th{font-weight:400;padding:0 .5rem;text-align:right}"
    ".wrap{overflow-x:auto}p{max-width:46rem}";

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<' || c == '>' || c == '&' || c == '"' || static_cast<unsigned char>(c) < 0x20) {
      out += "&#" + std::to_string(static_cast<unsigned char>(c)) + ";";
    } else {
      out += c;
    }
  }
  return out;
}

std::string format(const char* pattern, auto... values) {
  char text[256];
  std::snprintf(text, sizeof text, pattern, values...);
  return text;
}

// White at no use, blue at an even share, dark red from four times that on.
std::string colour(double share, size_t n_experts) {
  const double even = share * static_cast<double>(n_experts);
  const auto mix = [](double t, int from, int to) { return static_cast<int>(std::lround(from + t * (to - from))); };
  if (even <= 1) return format("#%02x%02x%02x", mix(even, 255, 90), mix(even, 255, 150), mix(even, 255, 210));
  const double t = std::min(std::log2(even) / 2, 1.0);
  return format("#%02x%02x%02x", mix(t, 90, 150), mix(t, 150, 10), mix(t, 210, 20));
}

std::string map_row(const LayerUse& layer) {
  std::string row = format("<tr><th>%zu</th>", layer.layer);
  for (size_t e = 0; e < layer.experts.size(); ++e) {
    const ExpertUse& expert = layer.experts[e];
    row += "<td style=\"background:" + colour(expert.share, layer.experts.size()) + "\" title=\"" +
           format("layer %zu, expert %zu: %.2f %% of the uses, weight %.3f", layer.layer, e, 100 * expert.share, expert.mean_weight) +
           "\"></td>";
  }
  return row + "</tr>\n";
}

std::string pairs_text(const LayerUse& layer) {
  std::string text;
  for (const ExpertPair& pair : layer.pairs) {
    if (!text.empty()) text += ", ";
    text += format("%zu+%zu (%.1f x chance)", pair.first, pair.second, pair.lift);
  }
  return text;
}

}  // namespace

std::string trace_page(const RoutingTrace& trace, const TraceStats& stats) {
  std::string page = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Routing of " + escaped(trace.model) +
                     "</title><style>" + kStyle + "</style></head><body>\n<h1>Routing of " + escaped(trace.model) + "</h1>\n";
  page += format("<p>%llu tokens, %zu mixture layers of %zu experts. ", static_cast<unsigned long long>(stats.tokens),
                 stats.layers.size(), trace.n_experts);
  page += "A cell is an expert: white is never used, blue an even share, red four times that or more. Pointing at a cell says which.</p>\n";
  page += "<div class=\"wrap\"><table class=\"map\">\n";
  for (const LayerUse& layer : stats.layers) page += map_row(layer);
  page += "</table></div>\n<table class=\"n\"><tr><th>layer</th><th>experts per token</th><th>entropy, bits</th><th>balance</th>"
          "<th>largest share / even</th><th>unused</th><th>zipf z</th><th>kept from last token</th>"
          "<th style=\"text-align:left\">used together most</th></tr>\n";
  for (const LayerUse& layer : stats.layers) {
    page += format("<tr><td>%zu</td><td>%.2f</td><td>%.3f</td><td>%.3f</td><td>%.2f</td><td>%zu</td><td>%.2f</td><td>%.3f</td>",
                   layer.layer, layer.experts_per_token, layer.entropy_bits, layer.balance, layer.largest_share, layer.unused,
                   layer.zipf, layer.kept_from_last);
    page += "<td style=\"text-align:left\">" + pairs_text(layer) + "</td></tr>\n";
  }
  return page + "</table>\n</body></html>\n";
}

}  // namespace siskin
