// Documents, metrics and the paired bootstrap.
#include "selector/evaluate.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "selector/documents.h"
#include "selector/random.h"

using namespace siskin::selector;

namespace {

// Scores whose documents differ much more than the two models do.
QualityScores scores(double bits_per_byte, uint64_t luck_seed) {
  QualityScores out;
  Random hard(1), luck(luck_seed);
  for (int i = 0; i < 80; ++i) {
    const double difficulty = 1 + 0.5 * (hard.uniform() - 0.5), own = 1 + 0.02 * (luck.uniform() - 0.5);
    out.units.push_back({1000 * bits_per_byte * std::log(2.0) * difficulty * own, 250, 1000, 0});
  }
  return out;
}

Config config_with(double max_loss) {
  Config config;
  config.quality.reference = "original";
  config.quality.max_loss = max_loss;
  return config;
}

}  // namespace

TEST_CASE("documents end at blank lines and hold about a kilobyte", "[evaluate]") {
  const std::string paragraph(400, 'x');
  std::string text;
  for (int i = 0; i < 8; ++i) text += paragraph + "\n\n";
  const auto documents = split_documents(text);
  REQUIRE(documents.size() == 3);  // 3 + 3 + 2 paragraphs
  CHECK(documents[0].size() == 3 * 400 + 2 * 2);
  CHECK(documents[2].size() == 2 * 400 + 2);
  CHECK(split_documents("a\nb\n\n\n \nc") == std::vector<std::string>{"a\nb\n\nc"});
  CHECK(split_documents(" \n\n").empty());
  CHECK(spread_indices(10, 4) == std::vector<size_t>{0, 2, 5, 7});
  CHECK(spread_indices(3, 10) == std::vector<size_t>{0, 1, 2});
}

TEST_CASE("metrics add up before they divide", "[evaluate]") {
  const std::vector<UnitScore> units = {{std::log(2.0) * 100, 10, 100, 1}, {std::log(2.0) * 600, 30, 200, 0}};
  CHECK(metric_of(units, {}, Metric::bits_per_byte) == Approx(700.0 / 300));
  CHECK(metric_of(units, {}, Metric::perplexity) == Approx(std::pow(2.0, 700.0 / 40)));
  CHECK(metric_of(units, {}, Metric::accuracy) == Approx(0.5));
  CHECK(metric_of(units, {0, 0}, Metric::bits_per_byte) == Approx(1));
}

TEST_CASE("the paired interval is deterministic and far narrower than the unpaired one", "[evaluate]") {
  const QualityScores original = scores(1.5, 2), smaller = scores(1.515, 3);
  const Config config = config_with(0.02);
  const QualityCheck first = check_quality(smaller, original, false, 3, config),
                     second = check_quality(smaller, original, false, 3, config);
  CHECK(first.loss.ci->low == second.loss.ci->low);
  CHECK(first.loss.ci->high == second.loss.ci->high);
  CHECK(*first.loss.value == Approx(0.01).margin(0.003));
  const double paired = first.loss.ci->high - first.loss.ci->low;
  const double unpaired = (first.value.ci->high - first.value.ci->low) / *first.value.value;
  CHECK(paired < unpaired / 5);
  CHECK_FALSE(first.finding.has_value());
}

TEST_CASE("the upper end of the interval decides", "[evaluate]") {
  const QualityScores original = scores(1.5, 2), smaller = scores(1.515, 3);
  const QualityCheck check = check_quality(smaller, original, false, 3, config_with(0.0101));
  REQUIRE(*check.loss.value < 0.0115);
  REQUIRE(check.finding.has_value());
  CHECK(check.finding->kind == FailKind::quality);
  CHECK(check.finding->limit == 0.0101);
  // More candidates share the risk, so each interval is wider.
  CHECK(check_quality(smaller, original, false, 30, config_with(1)).loss.ci->high > check.loss.ci->high);
  CHECK_FALSE(check_quality(original, original, true, 3, config_with(0)).finding.has_value());
}

TEST_CASE("accuracy has a floor", "[evaluate]") {
  Config config;
  config.task.metric = Metric::accuracy;
  config.quality.min = 0.8;
  QualityScores items;
  for (int i = 0; i < 200; ++i) items.units.push_back({0, 0, 0, i % 10 == 0 ? 0 : 1});
  CHECK_FALSE(check_quality(items, items, true, 1, config).finding.has_value());  // 90%, surely above 80%
  config.quality.min = 0.89;
  CHECK(check_quality(items, items, true, 1, config).finding.has_value());  // 90%, but not surely above 89%
}
