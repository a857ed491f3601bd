// Blocks: encoded bytes equal to those of PyPI's gguf package, decoding, and inputs that no real model should hold.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <iterator>
#include <limits>
#include <vector>

#include "formats/blocks/codec.h"
#include "formats/blocks/half.h"
#include "formats/blocks/q4_0.h"
#include "formats/blocks/q8_0.h"

namespace {

using siskin::DType;

#include "tests/formats/blocks_golden.inc"

std::vector<float> golden_input() {
  std::vector<float> x(std::size(kGoldenInput));
  std::memcpy(x.data(), kGoldenInput, sizeof(kGoldenInput));
  return x;
}

// 65,536 values in [-16, 16), block by block of another size, from integers alone.
std::vector<float> long_input() {
  std::vector<float> x(1 << 16);
  for (uint64_t i = 0; i < x.size(); ++i) {
    const auto bits = static_cast<uint32_t>(i * 2654435761u) >> 8;
    x[i] = std::ldexp(static_cast<float>(bits) * 0x1p-23f - 1.0f, static_cast<int>(i / 32 % 9) - 4);
  }
  return x;
}

uint64_t fnv1a(const void* data, size_t n) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < n; ++i) hash = (hash ^ static_cast<const uint8_t*>(data)[i]) * 0x100000001b3u;
  return hash;
}

std::vector<uint8_t> encoded(DType type, const std::vector<float>& x) {
  std::vector<uint8_t> bytes(siskin::row_bytes(type, x.size()));
  siskin::encode_row(type, x.data(), bytes.data(), x.size());
  return bytes;
}

template <size_t N>
std::vector<uint8_t> golden(const uint8_t (&bytes)[N]) {
  return std::vector<uint8_t>(bytes, bytes + N);
}

TEST_CASE("encoding writes the bytes of the gguf package", "[blocks]") {
  CHECK(encoded(DType::F16, golden_input()) == golden(kGoldenF16));
  CHECK(encoded(DType::BF16, golden_input()) == golden(kGoldenBF16));
  CHECK(encoded(DType::Q8_0, golden_input()) == golden(kGoldenQ8_0));
  CHECK(encoded(DType::Q4_0, golden_input()) == golden(kGoldenQ4_0));
}

TEST_CASE("65,536 values encode and decode as the gguf package does", "[blocks]") {
  struct Row {
    DType type;
    uint64_t encoded, decoded;
  };
  const std::vector<float> x = long_input();
  for (const Row& row :
       {Row{DType::F16, kLongHashF16, kLongDecodedHashF16}, Row{DType::BF16, kLongHashBF16, kLongDecodedHashBF16},
        Row{DType::Q8_0, kLongHashQ8_0, kLongDecodedHashQ8_0}, Row{DType::Q4_0, kLongHashQ4_0, kLongDecodedHashQ4_0}}) {
    INFO(siskin::dtype_name(row.type));
    const std::vector<uint8_t> bytes = encoded(row.type, x);
    CHECK(fnv1a(bytes.data(), bytes.size()) == row.encoded);
    std::vector<float> back(x.size());
    siskin::decode_row(row.type, bytes.data(), back.data(), back.size());
    CHECK(fnv1a(back.data(), back.size() * sizeof(float)) == row.decoded);
  }
}

TEST_CASE("f32 rows pass through unchanged", "[blocks]") {
  const std::vector<float> x = golden_input();
  std::vector<float> back(x.size());
  siskin::decode_row(DType::F32, encoded(DType::F32, x).data(), back.data(), back.size());
  CHECK(back == x);
}

TEST_CASE("rows at odd addresses decode alike", "[blocks]") {
  const std::vector<float> x = golden_input();
  for (const DType type : {DType::F32, DType::F16, DType::BF16, DType::Q8_0, DType::Q4_0}) {
    const std::vector<uint8_t> bytes = encoded(type, x);
    std::vector<uint8_t> shifted(bytes.size() + 1);
    siskin::encode_row(type, x.data(), shifted.data() + 1, x.size());
    CHECK(std::memcmp(shifted.data() + 1, bytes.data(), bytes.size()) == 0);
    std::vector<float> here(x.size()), there(x.size());
    siskin::decode_row(type, bytes.data(), here.data(), x.size());
    siskin::decode_row(type, shifted.data() + 1, there.data(), x.size());
    CHECK(here == there);
  }
}

TEST_CASE("every half survives the way through f32", "[half]") {
  size_t wrong = 0;
  for (uint32_t bits = 0; bits < 0x10000u; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = siskin::f32_from_f16(half);
    const uint16_t back = siskin::f16_from_f32(value);
    const bool is_nan = (bits & 0x7fffu) > 0x7c00u;
    wrong += is_nan ? !(std::isnan(value) && (back & 0x7fffu) > 0x7c00u) : back != half;
    const float wide = siskin::f32_from_bf16(half);
    wrong += std::isnan(wide) ? !std::isnan(siskin::f32_from_bf16(siskin::bf16_from_f32(wide)))
                              : siskin::bf16_from_f32(wide) != half;
  }
  CHECK(wrong == 0);
}

TEST_CASE("halves round to nearest, ties to even", "[half]") {
  size_t wrong = 0;
  for (uint32_t bits = 0; bits < 0x7bffu; ++bits) {  // every pair of neighbours, the last below infinity
    const auto low = static_cast<uint16_t>(bits);
    const float a = siskin::f32_from_f16(low);
    const float b = siskin::f32_from_f16(static_cast<uint16_t>(bits + 1));
    const float middle = (a + b) / 2;  // exact: one bit more than a half has
    const auto even = static_cast<uint16_t>(bits % 2 == 0 ? bits : bits + 1);
    wrong += siskin::f16_from_f32(middle) != even;
    wrong += siskin::f16_from_f32(std::nextafter(middle, a)) != low;
    wrong += siskin::f16_from_f32(std::nextafter(middle, b)) != low + 1;
    wrong += siskin::f16_from_f32(-middle) != (even | 0x8000u);
  }
  CHECK(wrong == 0);
  CHECK(siskin::f16_from_f32(65519.996f) == 0x7bff);
  CHECK(siskin::f16_from_f32(65520.0f) == 0x7c00);
  CHECK(siskin::bf16_from_f32(std::numeric_limits<float>::max()) == 0x7f80);
}

TEST_CASE("hostile values encode to something that decodes", "[blocks]") {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float tiny = std::numeric_limits<float>::denorm_min();
  for (const float value : {inf, -inf, nan, tiny, -tiny, 3e38f}) {
    for (const DType type : {DType::Q8_0, DType::Q4_0}) {
      std::vector<float> x(32, 1.0f);
      x[7] = value;
      std::vector<float> back(32);
      siskin::decode_row(type, encoded(type, x).data(), back.data(), 32);
      std::vector<float> all(32, value);
      siskin::decode_row(type, encoded(type, all).data(), back.data(), 32);
      if (std::fabs(value) == tiny) CHECK(back == std::vector<float>(32, 0.0f));
    }
  }
  // A NaN among ordinary values spoils itself alone.
  std::vector<float> x(32, 1.0f);
  x[7] = nan;
  std::vector<float> back(32);
  siskin::decode_row(DType::Q8_0, encoded(DType::Q8_0, x).data(), back.data(), 32);
  CHECK(back[7] == 0.0f);
  CHECK(back[8] == Approx(1.0f).epsilon(0.001));
}

}  // namespace
