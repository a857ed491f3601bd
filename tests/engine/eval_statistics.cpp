// The arithmetic of evaluation against values worked out by hand.
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "engine/eval/statistics.h"

using namespace siskin;

TEST_CASE("nll of a token is the logarithm of its softmax share", "[eval]") {
  const std::vector<float> logits = {std::log(1.0f), std::log(2.0f), std::log(5.0f)};
  CHECK(token_nll(logits, 0) == Approx(std::log(8.0)).epsilon(1e-6));
  CHECK(token_nll(logits, 2) == Approx(std::log(8.0 / 5.0)).epsilon(1e-6));
}

TEST_CASE("log_sum_exp survives logits that exp cannot take", "[eval]") {
  CHECK(log_sum_exp(std::vector<float>{10000.0f, 10000.0f}) == Approx(10000 + std::log(2.0)).epsilon(1e-12));
  CHECK(log_sum_exp(std::vector<float>{-10000.0f, -10001.0f}) == Approx(-10000 + std::log1p(std::exp(-1.0))).epsilon(1e-12));
  CHECK(token_nll(std::vector<float>{0.0f, 20000.0f}, 0) == Approx(20000.0));
}

TEST_CASE("the error of a mean is that of its values over sqrt(n - 1)", "[eval]") {
  Moments moments;
  CHECK(moments.mean_stderr() == 0);
  for (const double value : {1.0, 2.0, 3.0, 6.0}) moments.add(value);
  CHECK(moments.count() == 4);
  CHECK(moments.mean() == Approx(3.0));
  // var = (1 + 4 + 9 + 36) / 4 - 9 = 3.5
  CHECK(moments.mean_stderr() == Approx(std::sqrt(3.5 / 3)));
}

TEST_CASE("equal values have no error, not the root of a negative rounding", "[eval]") {
  Moments moments;
  for (int i = 0; i < 1000; ++i) moments.add(0.1);
  CHECK(moments.mean_stderr() >= 0);
  CHECK(moments.mean_stderr() < 1e-8);
}

TEST_CASE("KL divergence of two known distributions", "[eval]") {
  const std::vector<float> p = {std::log(0.5f), std::log(0.5f)};
  const std::vector<float> q = {std::log(0.9f), std::log(0.1f)};
  CHECK(kl_divergence(p, q) == Approx(0.5 * std::log(0.5 / 0.9) + 0.5 * std::log(0.5 / 0.1)).epsilon(1e-6));
  CHECK(kl_divergence(q, p) == Approx(0.9 * std::log(0.9 / 0.5) + 0.1 * std::log(0.1 / 0.5)).epsilon(1e-6));
  CHECK(kl_divergence(p, p) == 0);
  // Logits count up to a constant.
  CHECK(kl_divergence(p, std::vector<float>{7.0f, 7.0f}) == Approx(0).margin(1e-12));
}

TEST_CASE("percentiles interpolate between neighbours", "[eval]") {
  CHECK(percentile({3, 1, 2}, 0.5) == 2);
  CHECK(percentile({4, 1, 2, 3}, 0.5) == Approx(2.5));
  CHECK(percentile({5}, 0.99) == 5);
  std::vector<double> hundred_and_one;
  for (int i = 100; i >= 0; --i) hundred_and_one.push_back(i);
  CHECK(percentile(hundred_and_one, 0.99) == Approx(99));
  CHECK(percentile(hundred_and_one, 1.0) == 100);
}

TEST_CASE("the first of equal logits is the top", "[eval]") { CHECK(top_index(std::vector<float>{1, 3, 3, 2}) == 1); }
