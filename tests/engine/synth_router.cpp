// What a skewed router does to routing, on inputs that were not used to find it.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>
#include <vector>

#include "engine/synth/random_weights.h"
#include "engine/synth/router_skew.h"

using namespace siskin;

namespace {

// Shares of the picks, most popular expert first, when inputs are random beside the common component.
std::vector<double> popularity(size_t n_experts, size_t top_k, const std::vector<double>& biases) {
  constexpr size_t kDim = 128;
  constexpr double kCommon = 3.0;
  constexpr size_t kTokens = 8000;
  const std::vector<float> rows = router_rows(n_experts, kDim, biases, kCommon, 9);
  std::vector<double> share(n_experts, 0);
  std::vector<float> x(kDim);
  for (size_t t = 0; t < kTokens; ++t) {
    fill_random_row(DType::F32, kDim, 1.0f, row_seed(77, 0, t), reinterpret_cast<std::byte*>(x.data()));
    x[0] = biases.empty() ? 0.0f : static_cast<float>(kCommon);
    std::vector<std::pair<double, size_t>> logits;
    for (size_t e = 0; e < n_experts; ++e) {
      double logit = 0;
      for (size_t d = 0; d < kDim; ++d) logit += static_cast<double>(x[d]) * static_cast<double>(rows[e * kDim + d]);
      logits.emplace_back(logit, e);
    }
    std::sort(logits.rbegin(), logits.rend());
    for (size_t k = 0; k < top_k; ++k) share[logits[k].second] += 1.0 / static_cast<double>(kTokens * top_k);
  }
  std::sort(share.rbegin(), share.rend());
  return share;
}

// Least squares slope of -ln(share) over ln(rank).
double exponent(const std::vector<double>& shares) {
  double n = 0, x = 0, y = 0, xx = 0, xy = 0;
  for (size_t r = 0; r < shares.size(); ++r) {
    const double a = std::log(static_cast<double>(r + 1));
    const double b = -std::log(std::max(shares[r], 1e-6));
    n += 1, x += a, y += b, xx += a * a, xy += a * b;
  }
  return (n * xy - x * y) / (n * xx - x * x);
}

}  // namespace

TEST_CASE("without skew all experts are about as popular", "[synth]") {
  const std::vector<double> shares = popularity(16, 2, {});
  CHECK(shares.front() < 1.8 / 16);
  CHECK(shares.back() > 0.4 / 16);
}

TEST_CASE("popularity falls like the asked power of the rank", "[synth]") {
  const auto [n_experts, top_k, skew] =
      GENERATE(table<size_t, size_t, double>({{8, 2, 0.5}, {8, 2, 1.0}, {64, 8, 1.0}, {16, 1, 1.5}}));
  INFO(n_experts << " experts, top " << top_k << ", skew " << skew);
  const std::vector<double> shares = popularity(n_experts, top_k, biases_by_rank(n_experts, top_k, skew));
  CHECK(exponent(shares) == Approx(skew).epsilon(0.2));
  CHECK(shares.front() == Approx(target_shares(n_experts, top_k, skew).front()).epsilon(0.15));
}

TEST_CASE("no expert is asked for more than one pick a token", "[synth]") {
  const std::vector<double> shares = target_shares(8, 4, 3.0);
  CHECK(shares.front() == Approx(0.25));
  CHECK(std::accumulate(shares.begin(), shares.end(), 0.0) == Approx(1.0));
  CHECK(std::is_sorted(shares.rbegin(), shares.rend()));
  const std::vector<double> all = target_shares(4, 4, 1.0);
  for (const double share : all) CHECK(share == Approx(0.25));
}
