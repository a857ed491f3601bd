// Likelihoods, divergences and their errors.
#include "engine/eval/statistics.h"

#include <algorithm>
#include <cmath>

#include "formats/check.h"

namespace siskin {

double log_sum_exp(std::span<const float> logits) {
  SISKIN_CHECK(!logits.empty());
  const double highest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - highest);
  return highest + std::log(sum);
}

double token_nll(std::span<const float> logits, size_t target) {
  SISKIN_CHECK(target < logits.size());
  return log_sum_exp(logits) - static_cast<double>(logits[target]);
}

double kl_divergence(std::span<const float> p_logits, std::span<const float> q_logits) {
  SISKIN_CHECK(p_logits.size() == q_logits.size());
  const double p_norm = log_sum_exp(p_logits);
  const double q_norm = log_sum_exp(q_logits);
  double sum = 0;
  for (size_t i = 0; i < p_logits.size(); ++i) {
    const double log_p = static_cast<double>(p_logits[i]) - p_norm;
    const double log_q = static_cast<double>(q_logits[i]) - q_norm;
    sum += std::exp(log_p) * (log_p - log_q);
  }
  return std::max(sum, 0.0);  // rounding can leave -1e-17 where the two are equal
}

size_t top_index(std::span<const float> logits) {
  SISKIN_CHECK(!logits.empty());
  return static_cast<size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

void Moments::add(double value) {
  ++count_;
  sum_ += value;
  squares_ += value * value;
}

double Moments::mean() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }

double Moments::mean_stderr() const {
  if (count_ < 2) return 0;
  const double variance = squares_ / static_cast<double>(count_) - mean() * mean();
  return variance > 0 ? std::sqrt(variance / static_cast<double>(count_ - 1)) : 0;
}

double percentile(std::vector<double> values, double fraction) {
  SISKIN_CHECK(!values.empty());
  std::sort(values.begin(), values.end());
  const double position = fraction * static_cast<double>(values.size() - 1);
  const auto below = static_cast<size_t>(std::max(position, 0.0));
  if (below + 1 >= values.size()) return values.back();
  const double share = position - static_cast<double>(below);
  return (1 - share) * values[below] + share * values[below + 1];
}

}  // namespace siskin
