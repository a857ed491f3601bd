// A lognormal through its median and 99th percentile, or samples from a file.
#include "selector/parts.h"

#include <algorithm>
#include <cmath>

#include "selector/statistics.h"

namespace siskin::selector {
namespace {

constexpr double kNormalP99 = 2.3263478740408408;

double lognormal_sigma(const Part& part) { return (std::log(part.p99_ms) - std::log(part.p50_ms)) / kNormalP99; }

// Inverse of the standard normal distribution by bisection of erfc: exact enough for a limit and free of magic constants.
double normal_quantile(double percentile) {
  double low = -40, high = 40;
  for (int i = 0; i < 100; ++i) {
    const double middle = 0.5 * (low + high);
    (0.5 * std::erfc(-middle / std::sqrt(2.0)) < percentile ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace

double draw_ms(const Part& part, Random& random) {
  switch (part.kind) {
    case Part::Kind::lognormal:
      return part.p50_ms * std::exp(lognormal_sigma(part) * random.normal());
    case Part::Kind::samples:
      return part.samples_ms[random.index(part.samples_ms.size())];
    case Part::Kind::absent:
    case Part::Kind::measured:
      break;
  }
  return 0;
}

double quantile_ms(const Part& part, double percentile) {
  switch (part.kind) {
    case Part::Kind::lognormal:
      return part.p50_ms * std::exp(lognormal_sigma(part) * normal_quantile(percentile));
    case Part::Kind::samples:
      return nearest_rank(part.samples_ms, percentile);
    case Part::Kind::absent:
    case Part::Kind::measured:
      break;
  }
  return 0;
}

std::vector<double> convolved_ms(const std::vector<double>& latency_ms, const Budget& budget, uint64_t seed) {
  Random random(seed);
  std::vector<double> out;
  out.reserve(latency_ms.size());
  for (const double ms : latency_ms) out.push_back(ms + draw_ms(budget.preprocess, random) + draw_ms(budget.network, random));
  return out;
}

}  // namespace siskin::selector
