// Random rows: their deviation in every type, their independence, and what a skewed router does to routing.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <numeric>
#include <set>
#include <vector>

#include "engine/synth/random_weights.h"
#include "formats/blocks/codec.h"

using namespace siskin;

TEST_CASE("rows of every type have the asked deviation and no bias", "[synth]") {
  const DType type = GENERATE(DType::F32, DType::F16, DType::BF16, DType::Q8_0, DType::Q4_0);
  INFO(dtype_name(type));
  constexpr size_t kCols = 4096;
  constexpr size_t kRows = 64;
  constexpr float kSigma = 1.0f / 64;
  std::vector<std::byte> row(row_bytes(type, kCols));
  std::vector<float> values(kCols);
  double sum = 0, squares = 0, largest = 0;
  for (size_t r = 0; r < kRows; ++r) {
    fill_random_row(type, kCols, kSigma, row_seed(7, 3, r), row.data());
    decode_row(type, row.data(), values.data(), kCols);
    for (const float v : values) {
      sum += static_cast<double>(v);
      squares += static_cast<double>(v) * static_cast<double>(v);
      largest = std::max(largest, std::fabs(static_cast<double>(v)));
    }
  }
  const double n = kCols * kRows;
  const double sigma = std::sqrt(squares / n);
  CHECK(sigma == Approx(kSigma).epsilon(0.02));
  CHECK(std::fabs(sum / n) < 5 * sigma / std::sqrt(n) * 2);  // block scales of either sign widen Q4_0's error
  CHECK(largest < 3 * static_cast<double>(kSigma));
}

TEST_CASE("streams differ by seed, tensor and row, and repeat", "[synth]") {
  std::set<uint64_t> seeds;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    for (uint64_t tensor = 0; tensor < 8; ++tensor) {
      for (uint64_t row = 0; row < 64; ++row) seeds.insert(row_seed(seed, tensor, row));
    }
  }
  CHECK(seeds.size() == 4 * 8 * 64);
  std::byte a[68], b[68];
  fill_random_row(DType::Q8_0, 64, 0.1f, 5, a);
  fill_random_row(DType::Q8_0, 64, 0.1f, 5, b);
  CHECK(std::memcmp(a, b, sizeof(a)) == 0);
}

TEST_CASE("odd row lengths of float types are filled to the end and not beyond", "[synth]") {
  std::vector<float> row(8, 42.0f);
  fill_random_row(DType::F32, 7, 0.1f, 5, reinterpret_cast<std::byte*>(row.data()));
  CHECK(row[7] == 42.0f);
  CHECK(row[6] != 42.0f);
}

TEST_CASE("the first weight of a row can be set in every type", "[synth]") {
  const DType type = GENERATE(DType::F32, DType::F16, DType::BF16, DType::Q8_0, DType::Q4_0);
  std::vector<std::byte> row(row_bytes(type, 64));
  fill_random_row(type, 64, 1.0f, 11, row.data());
  set_first_weight(type, 4.0f, row.data());
  std::vector<float> values(64);
  decode_row(type, row.data(), values.data(), 64);
  CHECK(values[0] == Approx(4.0).epsilon(0.01));
}

namespace {

// Shares of each expert, most popular first, when inputs are Gaussian beside the common component.
std::vector<double> popularity(double skew, size_t n_experts, size_t top_k) {
  constexpr size_t kDim = 64;
  constexpr double kCommon = 3.0;
  constexpr size_t kTokens = 20000;
  const std::vector<float> rows = router_rows(n_experts, kDim, skew, kCommon, 9);
  std::vector<double> count(n_experts, 0);
  RandomBits random(123);
  for (size_t t = 0; t < kTokens; ++t) {
    std::vector<double> x(kDim);
    for (double& v : x) {
      v = 0;
      for (int i = 0; i < 4; ++i) v += static_cast<double>(random.next() >> 11) * 0x1p-53 - 0.5;
      v *= std::sqrt(3.0);  // four uniforms of variance 1/12
    }
    x[0] = kCommon;
    std::vector<std::pair<double, size_t>> logits;
    for (size_t e = 0; e < n_experts; ++e) {
      double logit = 0;
      for (size_t d = 0; d < kDim; ++d) logit += x[d] * static_cast<double>(rows[e * kDim + d]);
      logits.emplace_back(-logit, e);
    }
    std::sort(logits.begin(), logits.end());
    for (size_t k = 0; k < top_k; ++k) count[logits[k].second] += 1.0 / (kTokens * static_cast<double>(top_k));
  }
  std::sort(count.rbegin(), count.rend());
  return count;
}

// Least squares slope of ln(share) over ln(rank).
double slope(const std::vector<double>& shares) {
  double n = 0, x = 0, y = 0, xx = 0, xy = 0;
  for (size_t r = 0; r < shares.size(); ++r) {
    const double a = std::log(static_cast<double>(r + 1));
    const double b = std::log(std::max(shares[r], 1e-6));
    n += 1, x += a, y += b, xx += a * a, xy += a * b;
  }
  return (n * xy - x * y) / (n * xx - x * x);
}

}  // namespace

TEST_CASE("router skew makes popularity fall with rank, about as asked", "[synth]") {
  const double flat = -slope(popularity(0, 16, 1));
  const double one = -slope(popularity(1, 16, 1));
  CHECK(flat < 0.5);
  CHECK(one == Approx(1.0).margin(0.45));
  CHECK(-slope(popularity(2, 16, 1)) > one + 0.3);
  CHECK(-slope(popularity(1, 16, 4)) > flat);  // top-k flattens, but the order remains
}
