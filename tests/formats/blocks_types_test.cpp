// The block formats of other people's files: bytes equal to those of ggml's reference encoder, values equal to those that
// PyPI's gguf package reads, errors no larger than the reference's, and inputs that no real model should hold.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "formats/blocks/codec.h"

namespace {

using siskin::DType;

struct BlockGolden {
  DType type;
  uint64_t encoded_steps;  // FNV-1a
  uint64_t decoded_random;
  double bell_rmse;
};

#include "tests/formats/blocks_types_golden.inc"

constexpr size_t kValues = 1 << 14;

uint64_t splitmix(uint64_t i) {
  uint64_t z = (i + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// Roughly normal: the sum of four 16-bit numbers, about zero. Exact in f32.
std::vector<float> bell_input() {
  std::vector<float> x(kValues);
  for (size_t i = 0; i < x.size(); ++i) {
    int64_t sum = 0;
    for (int part = 0; part < 4; ++part) sum += static_cast<int64_t>(splitmix(i) >> (16 * part) & 0xffff);
    x[i] = static_cast<float>(sum - 131070) * 0x1p-16f;
  }
  return x;
}

// Values in [-16, 16), group by group of another size.
std::vector<float> stepped_input() {
  std::vector<float> x(kValues);
  for (uint64_t i = 0; i < x.size(); ++i) {
    const auto bits = static_cast<uint32_t>(i * 2654435761u) >> 8;
    x[i] = std::ldexp(static_cast<float>(bits) * 0x1p-23f - 1.0f, static_cast<int>(i / 32 % 9) - 4);
  }
  return x;
}

std::vector<uint8_t> random_bytes(size_t n) {
  std::vector<uint8_t> bytes(n);
  for (size_t i = 0; i < n; ++i) bytes[i] = static_cast<uint8_t>(splitmix(i));
  return bytes;
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

std::vector<float> decoded(DType type, const std::vector<uint8_t>& bytes) {
  const siskin::DTypeInfo& info = siskin::dtype_info(type);
  std::vector<float> x(bytes.size() / info.block_bytes * info.block_elems);
  siskin::decode_row(type, bytes.data(), x.data(), x.size());
  return x;
}

double rmse(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0.0;
  for (size_t i = 0; i < a.size(); ++i) sum += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
  return std::sqrt(sum / static_cast<double>(a.size()));
}

TEST_CASE("every block type encodes to the bytes of ggml's reference", "[blocks]") {
  for (const BlockGolden& golden : kBlockGoldens) {
    INFO(siskin::dtype_name(golden.type));
    const std::vector<uint8_t> bytes = encoded(golden.type, stepped_input());
    CHECK(fnv1a(bytes.data(), bytes.size()) == golden.encoded_steps);
  }
}

TEST_CASE("every block type decodes any bytes as the gguf package does", "[blocks]") {
  for (const BlockGolden& golden : kBlockGoldens) {
    INFO(siskin::dtype_name(golden.type));
    const size_t block = siskin::dtype_info(golden.type).block_bytes;
    std::vector<float> x = decoded(golden.type, random_bytes((1 << 13) / block * block));
    for (float& value : x) {  // random scales are sometimes no numbers, and which NaN results is the CPU's choice
      if (std::isnan(value)) value = std::numeric_limits<float>::quiet_NaN();
    }
    CHECK(fnv1a(x.data(), x.size() * sizeof(float)) == golden.decoded_random);
  }
}

TEST_CASE("the error on normal values is no larger than the reference encoder's", "[blocks]") {
  const std::vector<float> x = bell_input();
  for (const BlockGolden& golden : kBlockGoldens) {
    INFO(siskin::dtype_name(golden.type));
    const double error = rmse(decoded(golden.type, encoded(golden.type, x)), x);
    CHECK(error <= golden.bell_rmse * (1 + 1e-6));
    CHECK(error > golden.bell_rmse * 0.9);  // far below would mean that the test measures something else
  }
}

TEST_CASE("encoding what was decoded loses less than encoding did", "[blocks]") {
  const std::vector<float> x = bell_input();
  for (const BlockGolden& golden : kBlockGoldens) {
    INFO(siskin::dtype_name(golden.type));
    const std::vector<float> once = decoded(golden.type, encoded(golden.type, x));
    CHECK(rmse(decoded(golden.type, encoded(golden.type, once)), once) < 0.6 * golden.bell_rmse);
  }
}

TEST_CASE("values on the grid survive exactly", "[blocks]") {
  std::vector<float> x(96);
  for (size_t k = 0; k < x.size(); ++k) x[k] = static_cast<float>(k % 32) * 0.25f - 4.0f;  // q = k - 16, -16 being the largest
  for (const DType type : {DType::Q5_0, DType::Q5_1}) CHECK(decoded(type, encoded(type, x)) == x);
  for (size_t k = 0; k < x.size(); ++k) x[k] = static_cast<float>(k % 16) * 0.5f - 3.0f;
  CHECK(decoded(DType::Q4_1, encoded(DType::Q4_1, x)) == x);
  constexpr float kE2M1[8] = {0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f};
  for (size_t k = 0; k < x.size(); ++k) x[k] = kE2M1[k % 8] * (k / 8 % 2 == 0 ? 16.0f : -16.0f);
  CHECK(decoded(DType::MXFP4, encoded(DType::MXFP4, x)) == x);
}

TEST_CASE("any number of blocks at any address is its blocks one by one", "[blocks]") {
  const std::vector<float> all = bell_input();
  for (const BlockGolden& golden : kBlockGoldens) {
    INFO(siskin::dtype_name(golden.type));
    const siskin::DTypeInfo& info = siskin::dtype_info(golden.type);
    for (const size_t n_blocks : {1, 2, 3, 7}) {
      const size_t n = n_blocks * info.block_elems, n_bytes = n_blocks * info.block_bytes;
      std::vector<uint8_t> shifted(n_bytes + 2, 0xa5);
      siskin::encode_row(golden.type, all.data(), shifted.data() + 1, n);
      CHECK((shifted.front() == 0xa5 && shifted.back() == 0xa5));
      std::vector<float> whole(n), apart(n);
      siskin::decode_row(golden.type, shifted.data() + 1, whole.data(), n);
      for (size_t b = 0; b < n_blocks; ++b) {
        std::vector<uint8_t> block(info.block_bytes);
        siskin::encode_row(golden.type, all.data() + b * info.block_elems, block.data(), info.block_elems);
        CHECK(std::memcmp(block.data(), shifted.data() + 1 + b * info.block_bytes, block.size()) == 0);
        siskin::decode_row(golden.type, block.data(), apart.data() + b * info.block_elems, info.block_elems);
      }
      CHECK(whole == apart);
    }
  }
}

TEST_CASE("zeros stay zero, and zero bytes are zeros", "[blocks]") {
  for (const BlockGolden& golden : kBlockGoldens) {
    INFO(siskin::dtype_name(golden.type));
    const std::vector<float> zeros(512, 0.0f);
    CHECK(decoded(golden.type, encoded(golden.type, zeros)) == zeros);
    CHECK(decoded(golden.type, std::vector<uint8_t>(siskin::row_bytes(golden.type, 512), 0)) == zeros);
  }
}

TEST_CASE("hostile values encode to something that decodes, in every block type", "[blocks]") {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float tiny = std::numeric_limits<float>::denorm_min();
  for (const BlockGolden& golden : kBlockGoldens) {
    INFO(siskin::dtype_name(golden.type));
    for (const float value : {inf, -inf, nan, tiny, -tiny, 3e38f, -3e38f}) {
      std::vector<float> x(512, 1.0f);
      x[7] = value;
      const std::vector<float> back = decoded(golden.type, encoded(golden.type, x));
      CHECK(back[511] == Approx(1.0f).epsilon(0.2));  // another block than the spoilt one
      CHECK(decoded(golden.type, encoded(golden.type, std::vector<float>(512, value))).size() == 512);
    }
  }
}

}  // namespace
