// A row of `siskin-bench`: one model, one test, its samples; as JSON in llama-bench's names, and as table cells.
#pragma once

#include <siskin/model.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "bench/siskin_bench/explain.h"
#include "bench/siskin_bench/plan.h"

namespace siskin::bench {

// One repetition of ours beside one of the peer's, taken right after each other.
struct Pair {
  double ours = 0, peer = 0;  // tokens per second
};

struct Row {
  std::string file;
  ModelInfo model;
  std::string isa, cpu, time;
  Test test;
  std::vector<Sample> samples;
  std::optional<double> bits_per_byte;
  std::vector<Pair> pairs;
  std::optional<Explanation> explanation;
};

nlohmann::ordered_json to_json(const Row& row);

// Header and cells of the table for people; the same columns for every row.
std::vector<std::string> table_header(bool with_text);
std::vector<std::string> table_cells(const Row& row, bool with_text);

}  // namespace siskin::bench
