// Printing rows: a Markdown table, CSV, one JSON array, or JSON lines.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/siskin_bench/row.h"

namespace siskin::bench {

enum class Format { md, csv, json, jsonl };

// Rows are printed as they come, except JSON, which is one document at the end.
class Output {
 public:
  Output(Format format, bool with_text) : format_(format), with_text_(with_text) {}

  void add(const Row& row);
  void finish();

 private:
  void print_pairs(const Row& row) const;
  void print_comparisons() const;

  Format format_;
  bool with_text_;
  bool started_ = false;
  std::vector<Row> rows_;
  nlohmann::ordered_json document_ = nlohmann::ordered_json::array();
};

}  // namespace siskin::bench
