// Random rows: their deviation in every type, and their independence.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <set>
#include <vector>

#include "engine/synth/random_weights.h"
#include "formats/blocks/codec.h"

using namespace siskin;

TEST_CASE("rows of every type have the asked deviation and no bias", "[synth]") {
  const DType type = GENERATE(DType::F32, DType::F16, DType::BF16, DType::Q8_0, DType::Q4_0, DType::Q4_1, DType::Q5_0,
                              DType::Q5_1, DType::Q2_K, DType::Q3_K, DType::Q4_K, DType::Q5_K, DType::Q6_K, DType::IQ4_NL,
                              DType::IQ4_XS, DType::MXFP4);
  INFO(dtype_name(type));
  constexpr size_t kCols = 4096;
  constexpr size_t kRows = 256;
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
  CHECK(sigma == Approx(kSigma).epsilon(0.01));
  CHECK(std::fabs(sum / n) < 5 * sigma / std::sqrt(n) * 2);  // block scales of either sign widen Q4_0's error
  CHECK(largest < 5 * static_cast<double>(kSigma));  // the level furthest out, times the largest scale
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
