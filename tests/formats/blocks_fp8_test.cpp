// E4M3: every code as the format's equation has it, and rounding to the nearest of them.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "formats/blocks/fp8.h"

using namespace siskin;

namespace {

// sign * 2^(e - 7) * (1 + m / 8), or 2^-6 * m / 8 where e is 0.
double value_of(int code) {
  const int e = code >> 3 & 15, m = code & 7;
  const double size = e == 0 ? std::ldexp(m, -9) : std::ldexp(8 + m, e - 10);
  return (code & 128) != 0 ? -size : size;
}

}  // namespace

TEST_CASE("E4M3's codes are the numbers of their equation", "[blocks]") {
  for (int code = 0; code < 256; ++code) {
    const float value = f32_from_e4m3(static_cast<uint8_t>(code));
    INFO(code);
    CHECK(std::signbit(value) == (code >= 128));
    if ((code & 127) == 127) {
      CHECK(std::isnan(value));
    } else {
      CHECK(static_cast<double>(value) == value_of(code));
      CHECK(e4m3_from_f32(value) == code);
    }
  }
}

TEST_CASE("floats become the nearest E4M3, ties to even, and saturate", "[blocks]") {
  for (int code = 0; code < 126; ++code) {  // between neighbours
    const double low = value_of(code), high = value_of(code + 1);
    const auto middle = static_cast<float>((low + high) / 2);
    INFO(code);
    CHECK(e4m3_from_f32(middle) == (code % 2 == 0 ? code : code + 1));
    CHECK(e4m3_from_f32(std::nextafter(middle, 0.0f)) == code);
    CHECK(e4m3_from_f32(std::nextafter(middle, 1e9f)) == code + 1);
    CHECK(e4m3_from_f32(-std::nextafter(middle, 0.0f)) == code + 128);
  }
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float large : {448.0f, 463.0f, 464.0f, 465.0f, 1e30f, infinity}) {
    CHECK(e4m3_from_f32(large) == 126);
    CHECK(e4m3_from_f32(-large) == 254);
  }
  CHECK((e4m3_from_f32(std::numeric_limits<float>::quiet_NaN()) & 127) == 127);
  CHECK(e4m3_from_f32(-0.0f) == 128);
}

TEST_CASE("a block of FP8 puts its largest value on the largest number", "[blocks]") {
  std::vector<float> x(128), out(128);
  for (size_t k = 0; k < 128; ++k) x[k] = std::sin(static_cast<float>(k)) * 3.0f;
  x[77] = -4.48f;
  BlockF8 block;
  encode_block(x.data(), &block);
  CHECK(block.q[77] == 254);
  decode_block(block, out.data());
  for (size_t k = 0; k < 128; ++k)
    CHECK(std::fabs(out[k] - x[k]) <= std::max(std::fabs(x[k]) / 15.9f, 4.48f / 448.0f / 1000.0f));
  std::fill(x.begin(), x.end(), 0.0f);
  encode_block(x.data(), &block);
  decode_block(block, out.data());
  CHECK(out == x);
}
