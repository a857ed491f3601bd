// The binomial bounds against the published table, and the order statistics that they select.
#include "selector/statistics.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <numeric>

#include "selector/random.h"

using namespace siskin::selector;

TEST_CASE("samples needed to prove a percentile", "[statistics]") {
  struct Row {
    double percentile, confidence;
    std::vector<size_t> needed;  // for 0, 1, 2, 5, 10 samples over the limit
  };
  const std::vector<Row> rows = {
      {0.90, 0.99, {44, 64, 81, 127, 197}},
      {0.95, 0.99, {90, 130, 165, 259, 398}},
      {0.99, 0.99, {459, 662, 838, 1307, 2010}},
      {0.99, 0.95, {299, 473, 628, 1049, 1693}},
      {0.999, 0.99, {4603, 6636, 8403, 13105, 20140}},
  };
  const std::vector<size_t> over = {0, 1, 2, 5, 10};
  for (const Row& row : rows) {
    for (size_t i = 0; i < over.size(); ++i) {
      CAPTURE(row.percentile, row.confidence, over[i]);
      CHECK(samples_needed(row.percentile, row.confidence, over[i]) == row.needed[i]);
      CHECK(allowed_over(row.needed[i], row.percentile, row.confidence) == over[i]);
    }
    CHECK_FALSE(allowed_over(row.needed[0] - 1, row.percentile, row.confidence).has_value());
  }
}

TEST_CASE("samples that disprove a percentile", "[statistics]") {
  CHECK(over_disproves(10, 0.99, 0.99) == 2);
  CHECK(over_disproves(30, 0.99, 0.99) == 3);
  CHECK(over_disproves(100, 0.99, 0.99) == 5);
}

TEST_CASE("a percentile is not stated from too few samples", "[statistics]") {
  std::vector<double> sorted(458);
  std::iota(sorted.begin(), sorted.end(), 1.0);
  CHECK_FALSE(estimate_percentile(sorted, 0.99, 0.99).point.has_value());
  sorted.push_back(459);
  const auto estimate = estimate_percentile(sorted, 0.99, 0.99);
  CHECK(estimate.point == 455.0);  // nearest rank: ceil(0.99 * 459)
  CHECK(estimate.upper == 459.0);  // none may be over
  sorted.resize(662);
  std::iota(sorted.begin(), sorted.end(), 1.0);
  CHECK(estimate_percentile(sorted, 0.99, 0.99).upper == 661.0);  // one may
}

TEST_CASE("the upper bound covers the true percentile as often as it says", "[statistics]") {
  Random random(3);
  const double truth = -std::log(0.05);  // p95 of the exponential with mean 1
  int covered = 0;
  const int rounds = 2000;
  for (int i = 0; i < rounds; ++i) {
    std::vector<double> samples(200);
    for (double& sample : samples) sample = random.exponential(1);
    std::sort(samples.begin(), samples.end());
    covered += *estimate_percentile(samples, 0.95, 0.95).upper >= truth ? 1 : 0;
  }
  CHECK(covered >= rounds * 0.94);
}
