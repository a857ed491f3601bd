// The arithmetic of evaluation, apart from any model: likelihoods from logits, running sums, percentiles.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace siskin {

// ln of the sum of exp(logits), in double. REQUIRES: not empty.
double log_sum_exp(std::span<const float> logits);

// -ln softmax(logits)[target]. REQUIRES: target < logits.size().
double token_nll(std::span<const float> logits, size_t target);

// KL(softmax(p) || softmax(q)) in nats; never negative. REQUIRES: sizes equal, not empty.
double kl_divergence(std::span<const float> p_logits, std::span<const float> q_logits);

// Index of the largest value, the first of equals. REQUIRES: not empty.
size_t top_index(std::span<const float> logits);

// Sums of values and of their squares: all that a mean and its error need.
class Moments {
 public:
  void add(double value);
  size_t count() const { return count_; }
  double sum() const { return sum_; }
  double mean() const;  // 0 when empty
  // sqrt(var / (n - 1)) with var = E[x^2] - E[x]^2, as llama.cpp computes it; 0 below two values.
  double mean_stderr() const;

 private:
  size_t count_ = 0;
  double sum_ = 0;
  double squares_ = 0;
};

// Linear between the two values around position fraction * (n - 1) of the sorted values, as llama.cpp. REQUIRES: not empty.
double percentile(std::vector<double> values, double fraction);

}  // namespace siskin
