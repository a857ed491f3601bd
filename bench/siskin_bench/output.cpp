// Printing rows of `siskin-bench`.
#include "bench/siskin_bench/output.h"

#include <fmt/format.h>

#include <cstdio>
#include <span>

#include "bench/siskin_bench/compare.h"
#include "bench/siskin_bench/statistics.h"

namespace siskin::bench {
namespace {

std::string dump(const nlohmann::ordered_json& json, int indent) {
  return json.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

// CSV as RFC 4180: every field quoted, quotes doubled; lists and objects as their JSON.
std::string csv_field(const std::string& text) {
  std::string field = "\"";
  for (const char c : text) field += c == '"' ? std::string("\"\"") : std::string(1, c);
  return field + "\"";
}

std::string csv_line(const nlohmann::ordered_json& row, bool names) {
  std::string line;
  for (const auto& [key, value] : row.items()) {
    if (!line.empty()) line += ",";
    line += csv_field(names ? key : value.is_string() ? value.get<std::string>() : value.is_null() ? "" : dump(value, -1));
  }
  return line;
}

}  // namespace

void Output::add(const Row& row) {
  switch (format_) {
    case Format::md:
      if (!started_) {
        const auto header = table_header(with_text_);
        fmt::print("| {} |\n|{}\n", fmt::join(header, " | "), [&] {
          std::string rule;
          for (size_t i = 0; i < header.size(); ++i) rule += i == 0 ? " --- |" : " ---: |";
          return rule;
        }());
      }
      fmt::print("| {} |\n", fmt::join(table_cells(row, with_text_), " | "));
      break;
    case Format::csv: {
      const auto json = to_json(row);
      if (!started_) fmt::print("{}\n", csv_line(json, true));
      fmt::print("{}\n", csv_line(json, false));
      break;
    }
    case Format::json:
      document_.push_back(to_json(row));
      break;
    case Format::jsonl:
      fmt::print("{}\n", dump(to_json(row), -1));
      break;
  }
  rows_.push_back(row);
  started_ = true;
  std::fflush(stdout);
}

void Output::finish() {
  if (format_ == Format::json) fmt::print("{}\n", dump(document_, 2));
  if (format_ != Format::md) return;
  print_comparisons();
  for (const Row& row : rows_) {
    if (row.explanation) fmt::print("{}", to_table(row.test, *row.explanation));
    if (!row.pairs.empty()) print_pairs(row);
  }
}

void Output::print_comparisons() const {
  for (size_t first = 0, end = 0; first < rows_.size(); first = end) {
    const auto same = [&](const Row& row) { return row.file == rows_[first].file && row.test.same_group(rows_[first].test); };
    for (end = first; end < rows_.size() && same(rows_[end]);) ++end;
    const std::span group = std::span(rows_).subspan(first, end - first);
    fmt::print("{}{}", small_batches_table(group), top_k_table(group));
  }
}

void Output::print_pairs(const Row& row) const {
  fmt::print("\n| {} with {} threads | ours t/s | peer t/s | ratio |\n| --- | ---: | ---: | ---: |\n", row.test.name(),
             row.test.threads);
  std::vector<double> ratios;
  for (size_t i = 0; i < row.pairs.size(); ++i) {
    const Pair& pair = row.pairs[i];
    ratios.push_back(pair.ours / pair.peer);
    fmt::print("| pair {} | {:.2f} | {:.2f} | {:.3f} |\n", i + 1, pair.ours, pair.peer, ratios.back());
  }
  fmt::print("| geometric mean | | | {:.3f} |\n", geometric_mean(ratios));
}

}  // namespace siskin::bench
