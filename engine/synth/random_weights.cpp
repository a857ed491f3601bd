// Random weights by type.
#include "engine/synth/random_weights.h"

#include <algorithm>
#include <cstring>

#include "engine/synth/random_blocks.h"
#include "formats/blocks/codec.h"
#include "formats/blocks/half.h"
#include "formats/check.h"

namespace siskin {
namespace {

constexpr float kUniformSigma = 0.57735027f;  // of uniform values in [-1, 1]: 1/sqrt(3)
constexpr size_t kBlock = 32;                 // weights of a Q8_0 and of a Q4_0 block
constexpr size_t kLargestBlock = 256;

void fill_q8_0(size_t blocks, float sigma, RandomBits& random, std::byte* out) {
  const float scale = sigma / 73.895f;  // the deviation of the bytes below
  for (size_t b = 0; b < blocks; ++b, out += 34) {
    const uint16_t d = f16_from_f32(scale * scale_factor(random.next()));
    std::memcpy(out, &d, sizeof(d));
    int8_t q[kBlock];
    for (size_t i = 0; i < kBlock; i += 8) {
      const uint64_t bits = random.next();
      std::memcpy(q + i, &bits, 8);
    }
    for (int8_t& value : q) value = std::max<int8_t>(value, -127);  // the encoder never writes -128
    std::memcpy(out + 2, q, kBlock);
  }
}

void fill_q4_0(size_t blocks, float sigma, RandomBits& random, std::byte* out) {
  const float scale = sigma / 4.6368f;  // sqrt(mean of (q - 8)^2 over 0..15)
  for (size_t b = 0; b < blocks; ++b, out += 18) {
    const uint64_t bits = random.next();
    // -8..7 has mean -0.5: scales of either sign, as the encoder writes them too, take the bias away.
    const uint16_t d = f16_from_f32(either_sign(bits) * scale * scale_factor(bits));
    const uint64_t nibbles[2] = {random.next(), random.next()};
    std::memcpy(out, &d, sizeof(d));
    std::memcpy(out + 2, nibbles, sizeof(nibbles));
  }
}

template <class T, class Convert>
void fill_floats(size_t cols, float sigma, RandomBits& random, std::byte* out, Convert convert) {
  const float scale = sigma / (32768.0f * kUniformSigma);
  for (size_t i = 0; i < cols; i += 4) {
    const uint64_t bits = random.next();
    T values[4];
    for (size_t j = 0; j < 4; ++j) {
      const auto integer = static_cast<int16_t>(static_cast<uint16_t>(bits >> (16 * j)));
      values[j] = convert((static_cast<float>(integer) + 0.5f) * scale);
    }
    std::memcpy(out + i * sizeof(T), values, std::min<size_t>(4, cols - i) * sizeof(T));
  }
}

}  // namespace

uint64_t row_seed(uint64_t seed, uint64_t tensor, uint64_t row) {
  // Each input passes through the mixer before the next joins, so that neighbouring rows share no stretch of a stream.
  return RandomBits(RandomBits(RandomBits(seed).next() ^ tensor).next() ^ row).next();
}

void fill_random_row(DType type, size_t cols, float sigma, uint64_t row_seed, std::byte* out) {
  RandomBits random(row_seed);
  switch (type) {
    case DType::Q8_0:
      return fill_q8_0(cols / kBlock, sigma, random, out);
    case DType::Q4_0:
      return fill_q4_0(cols / kBlock, sigma, random, out);
    case DType::F16:
      return fill_floats<uint16_t>(cols, sigma, random, out, [](float v) { return f16_from_f32(v); });
    case DType::BF16:
      return fill_floats<uint16_t>(cols, sigma, random, out, [](float v) { return bf16_from_f32(v); });
    case DType::F32:
      return fill_floats<float>(cols, sigma, random, out, [](float v) { return v; });
    default:
      visit_block(type, [&]<class Block>(std::type_identity<Block>) {
        if constexpr (HasRandomBlock<Block>) fill_random_blocks<Block>(cols / Block::kWeights, sigma, random, out);
      });
  }
}

void set_first_weight(DType type, float value, std::byte* row) {
  float block[kLargestBlock];
  const size_t n = dtype_info(type).block_elems;
  SISKIN_CHECK(n <= kLargestBlock);
  decode_row(type, row, block, n);
  block[0] = value;
  encode_row(type, block, row, n);
}

}  // namespace siskin
