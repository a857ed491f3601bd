// Distribution-free statements about percentiles: point estimates, confidence bounds by order statistics, sample sizes.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace siskin::selector {

// P(X <= successes) for X ~ Binomial(n, p), summed in log space.
double binomial_cdf(size_t successes, size_t n, double p);

// The most samples above a limit with which "the percentile meets the limit" holds at `confidence`: the largest t with
// P(X <= t | n, 1 - percentile) <= 1 - confidence. Empty: n is too small even with none above.
std::optional<size_t> allowed_over(size_t n, double percentile, double confidence);

// The fewest samples with which t above the limit still prove it. p99 at 0.99: 459, 662, 838 for t = 0, 1, 2.
size_t samples_needed(double percentile, double confidence, size_t over);

// The fewest samples above a limit that disprove it: the smallest k with P(X >= k | n, 1 - percentile) <= 1 - confidence.
// p99 at 0.99: 2 of 10, 3 of 30, 5 of 100. May be n + 1: n is too small to disprove anything.
size_t over_disproves(size_t n, double percentile, double confidence);

struct PercentileEstimate {
  std::optional<double> point;  // nearest rank; empty where n is too small for an upper bound: then no percentile is stated
  std::optional<double> upper;  // one-sided upper confidence bound
  size_t n = 0;
  size_t needed = 0;  // fewest samples for a bound at all
};
// REQUIRES: sorted is ascending.
PercentileEstimate estimate_percentile(std::span<const double> sorted, double percentile, double confidence);

// The p-quantile by nearest rank. REQUIRES: sorted is ascending and not empty.
double nearest_rank(std::span<const double> sorted, double percentile);

}  // namespace siskin::selector
