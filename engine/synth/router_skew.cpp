// Skewed routers.
#include "engine/synth/router_skew.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "engine/synth/random_weights.h"
#include "formats/check.h"

namespace siskin {
namespace {

constexpr size_t kTokens = 8192;  // the rarest of 64 experts at skew 1 is still picked some 200 times
constexpr int kRounds = 40;
constexpr double kWidestBias = 12;  // standard deviations: beyond it an expert is always or never picked

// Sum of eight uniforms, scaled: near enough to a Gaussian, and the same bits on every machine.
float gaussian(RandomBits& random) {
  uint64_t sum = 0;
  for (int half = 0; half < 2; ++half) {
    for (uint64_t bits = random.next(); bits != 0; bits >>= 16) sum += bits & 0xffffu;
  }
  constexpr double kMean = 8 * 32767.5;
  constexpr double kSigma = 53509.0;  // 65536 * sqrt(8/12)
  return static_cast<float>((static_cast<double>(sum) - kMean) / kSigma);
}

// How often each rank is among the top k, as shares of all picks.
std::vector<double> simulated_shares(const std::vector<float>& noise, const std::vector<double>& biases, size_t top_k) {
  const size_t n = biases.size();
  std::vector<size_t> picks(n, 0);
  std::vector<std::pair<double, size_t>> logits(n);
  for (size_t token = 0; token < kTokens; ++token) {
    for (size_t e = 0; e < n; ++e) logits[e] = {biases[e] + static_cast<double>(noise[token * n + e]), e};
    std::nth_element(logits.begin(), logits.begin() + static_cast<std::ptrdiff_t>(top_k - 1), logits.end(), std::greater<>());
    for (size_t k = 0; k < top_k; ++k) ++picks[logits[k].second];
  }
  std::vector<double> shares(n);
  for (size_t e = 0; e < n; ++e) {
    // Half a pick keeps the logarithm of a rank that was never picked finite.
    shares[e] = std::max(static_cast<double>(picks[e]), 0.5) / static_cast<double>(kTokens * top_k);
  }
  return shares;
}

}  // namespace

std::vector<double> target_shares(size_t n_experts, size_t top_k, double skew) {
  SISKIN_CHECK(top_k >= 1 && top_k <= n_experts);
  std::vector<double> shares(n_experts);
  for (size_t r = 0; r < n_experts; ++r) shares[r] = std::pow(static_cast<double>(r + 1), -skew);
  const double most = 1.0 / static_cast<double>(top_k);
  double left = 1.0;
  for (size_t r = 0; r < n_experts; ++r) {
    const double rest = std::accumulate(shares.begin() + static_cast<std::ptrdiff_t>(r), shares.end(), 0.0);
    shares[r] = std::min(most, left * shares[r] / rest);
    left -= shares[r];
  }
  return shares;
}

std::vector<double> biases_by_rank(size_t n_experts, size_t top_k, double skew) {
  const std::vector<double> targets = target_shares(n_experts, top_k, skew);
  RandomBits random(row_seed(0, n_experts, top_k));
  std::vector<float> noise(kTokens * n_experts);
  for (float& value : noise) value = gaussian(random);

  std::vector<double> biases(n_experts, 0.0);
  for (int round = 0; round < kRounds; ++round) {
    const std::vector<double> shares = simulated_shares(noise, biases, top_k);
    // Half of the step that would be right for Gumbel noise: it converges for Gaussian noise too, whose tails are thinner.
    for (size_t r = 0; r < n_experts; ++r) biases[r] += 0.5 * std::log(targets[r] / shares[r]);
    const double highest = *std::max_element(biases.begin(), biases.end());
    for (double& bias : biases) bias = std::max(bias - highest, -kWidestBias);
  }
  return biases;
}

std::vector<float> router_rows(size_t n_experts, size_t d_model, const std::vector<double>& biases, double common,
                               uint64_t seed) {
  std::vector<float> rows(n_experts * d_model);
  const float sigma = 1.0f / std::sqrt(static_cast<float>(d_model));
  for (size_t e = 0; e < n_experts; ++e) {
    fill_random_row(DType::F32, d_model, sigma, row_seed(seed, 1, e), reinterpret_cast<std::byte*>(rows.data() + e * d_model));
  }
  if (biases.empty()) return rows;
  SISKIN_CHECK(biases.size() == n_experts);
  std::vector<size_t> rank(n_experts);
  std::iota(rank.begin(), rank.end(), size_t{0});
  RandomBits random(row_seed(seed, n_experts, d_model));
  for (size_t i = n_experts; i > 1; --i) std::swap(rank[i - 1], rank[random.next() % i]);
  for (size_t e = 0; e < n_experts; ++e) rows[e * d_model] = static_cast<float>(biases[rank[e]] / common);
  return rows;
}

}  // namespace siskin
