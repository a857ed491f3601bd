// Binomial tails in log space and the order statistics that they select.
#include "selector/statistics.h"

#include <algorithm>
#include <cmath>

namespace siskin::selector {

double binomial_cdf(size_t successes, size_t n, double p) {
  if (successes >= n) return 1.0;
  const double log_p = std::log(p), log_q = std::log1p(-p);
  const double trials = static_cast<double>(n);
  double sum = 0;
  for (size_t k = 0; k <= successes; ++k) {
    const double x = static_cast<double>(k);
    const double log_choose = std::lgamma(trials + 1) - std::lgamma(x + 1) - std::lgamma(trials - x + 1);
    sum += std::exp(log_choose + x * log_p + (trials - x) * log_q);
  }
  return std::min(sum, 1.0);
}

std::optional<size_t> allowed_over(size_t n, double percentile, double confidence) {
  const double over_rate = 1.0 - percentile, risk = 1.0 - confidence;
  if (n == 0 || binomial_cdf(0, n, over_rate) > risk) return std::nullopt;
  size_t t = 0;
  while (t + 1 < n && binomial_cdf(t + 1, n, over_rate) <= risk) ++t;
  return t;
}

size_t samples_needed(double percentile, double confidence, size_t over) {
  const double over_rate = 1.0 - percentile, risk = 1.0 - confidence;
  size_t high = over + 1;
  while (binomial_cdf(over, high, over_rate) > risk) high *= 2;
  size_t low = high / 2;  // the tail falls as n grows, so bisection is exact
  while (low + 1 < high) {
    const size_t middle = low + (high - low) / 2;
    (binomial_cdf(over, middle, over_rate) > risk ? low : high) = middle;
  }
  return high;
}

size_t over_disproves(size_t n, double percentile, double confidence) {
  const double over_rate = 1.0 - percentile, risk = 1.0 - confidence;
  for (size_t k = 1; k <= n; ++k) {
    if (1.0 - binomial_cdf(k - 1, n, over_rate) <= risk) return k;
  }
  return n + 1;
}

double nearest_rank(std::span<const double> sorted, double percentile) {
  const double rank = std::ceil(percentile * static_cast<double>(sorted.size()) - 1e-9);
  const size_t index = rank < 1 ? 0 : static_cast<size_t>(rank) - 1;
  return sorted[std::min(index, sorted.size() - 1)];
}

PercentileEstimate estimate_percentile(std::span<const double> sorted, double percentile, double confidence) {
  PercentileEstimate out;
  out.n = sorted.size();
  out.needed = samples_needed(percentile, confidence, 0);
  if (const auto over = allowed_over(sorted.size(), percentile, confidence)) {
    out.point = nearest_rank(sorted, percentile);
    out.upper = sorted[sorted.size() - 1 - *over];
  }
  return out;
}

}  // namespace siskin::selector
