// Packed strips: the byte specification of layout.h element by element, and the way back.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <vector>

#include "formats/blocks/codec.h"
#include "formats/blocks/fp8.h"
#include "formats/blocks/half.h"
#include "formats/packed/layout.h"

namespace {

using siskin::DType;

constexpr DType kTypes[] = {DType::F32,  DType::F16,    DType::BF16,   DType::Q8_0,  DType::Q4_0, DType::Q4_1,
                            DType::Q5_0, DType::Q5_1,   DType::Q2_K,   DType::Q3_K,  DType::Q4_K, DType::Q5_K,
                            DType::Q6_K, DType::IQ4_NL, DType::IQ4_XS, DType::MXFP4, DType::W8A8,
                            DType::FP8};

struct Matrix {
  DType type;
  size_t rows, cols;
  std::vector<std::byte> file;
  std::vector<std::byte> storage;
  siskin::PackedMatrix packed;

  const std::byte* row(size_t r) const { return file.data() + r * siskin::row_bytes(type, cols); }
};

// Values that are all different in their rows; every byte of the output is poisoned first.
Matrix make_matrix(DType type, size_t rows, size_t cols) {
  Matrix m{type, rows, cols, {}, {}, {}};
  m.file.resize(rows * siskin::row_bytes(type, cols));
  std::vector<float> values(cols);
  for (size_t r = 0; r < rows; ++r) {
    for (size_t k = 0; k < cols; ++k) values[k] = static_cast<float>((r * 37 + k * 11) % 64) - 31.5f;
    siskin::encode_row(type, values.data(), m.file.data() + r * siskin::row_bytes(type, cols), cols);
  }
  m.storage.assign(siskin::packed_bytes(type, rows, cols), std::byte{0xee});
  m.packed = {m.storage.data(), type, siskin::packed_layout(type), rows, cols, siskin::packed_strip_bytes(type, cols), 0, 0};
  siskin::pack_strips(type, m.file.data(), rows, cols, 0, m.packed.strips(), m.storage.data());
  return m;
}

template <class T>
T read(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

int byte_of(const std::byte* at) { return std::to_integer<int>(*at); }

// The code of column j of a group whose words begin at `words`, put together from its planes of 4, 2 and 1 bits.
int code_by_specification(const std::byte* words, size_t bits, size_t r, size_t j) {
  const size_t byte = r * 4 + j % 4;
  int code = 0, at = 0;
  if (bits >= 4) {
    code = byte_of(words + j % 16 / 4 * 64 + byte) >> (j < 16 ? 0 : 4) & 15;
    words += 4 * 64;
    at = 4;
  }
  if (bits % 4 >= 2) {
    code |= (byte_of(words + j % 16 / 8 * 64 + byte) >> (j / 16 * 4 + j / 4 % 2 * 2) & 3) << at;
    words += 2 * 64;
    at += 2;
  }
  if (bits % 2 == 1) code |= (byte_of(words + byte) >> j / 4 & 1) << at;
  return code;
}

// Two 6-bit numbers of a group.
int pair_by_specification(const std::byte* pairs, size_t group, size_t which, size_t r) {
  const int low = byte_of(pairs + group * 16 + r) >> 4 * which & 15;
  return low | (byte_of(pairs + 128 + group / 2 * 16 + r) >> (group % 2 * 4 + which * 2) & 3) << 4;
}

float quant_by_specification(DType type, const std::byte* strip, size_t r, size_t k) {
  constexpr int kIQ4[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
  constexpr int kMXFP4[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
  const siskin::DTypeInfo& info = siskin::dtype_info(type);
  const std::byte* block = strip + k / info.block_elems * 16 * info.block_bytes;
  const size_t g = k % info.block_elems / 32, j = k % 32, half = j / 16;
  const auto d = [&](size_t which) { return siskin::f32_from_f16(read<uint16_t>(block + which * 32 + r * 2)); };
  const auto code = [&](size_t header, size_t bits) {
    return code_by_specification(block + header + g * bits * 64, bits, r, j);
  };
  const auto times = [](float scale, int level) { return scale * static_cast<float>(level); };
  switch (type) {
    case DType::Q4_1:
      return times(d(0), code(64, 4)) - d(1);
    case DType::Q5_0:
      return times(d(0), code(32, 5) - 16);
    case DType::Q5_1:
      return times(d(0), code(64, 5)) - d(1);
    case DType::IQ4_NL:
      return times(d(0), kIQ4[code(32, 4)]);
    case DType::MXFP4:
      return times(std::ldexp(1.0f, byte_of(block + r) - 128), kMXFP4[code(16, 4)]);
    case DType::Q4_K:
    case DType::Q5_K:
      return times(times(d(0), pair_by_specification(block + 64, g, 0, r)), code(256, type == DType::Q4_K ? 4 : 5)) -
             times(d(1), pair_by_specification(block + 64, g, 1, r));
    case DType::Q6_K:
      return times(times(d(0), static_cast<int8_t>(byte_of(block + 32 + (2 * g + half) * 16 + r))), code(288, 6) - 32);
    case DType::Q3_K:
      return times(times(d(0), pair_by_specification(block + 32, g, half, r) - 32), code(224, 3) - 4);
    case DType::Q2_K: {
      const int both = byte_of(block + 64 + (2 * g + half) * 16 + r);
      return times(times(d(0), both & 15), code(320, 2)) - times(d(1), both >> 4);
    }
    case DType::IQ4_XS: {
      const int low = byte_of(block + 32 + g / 2 * 16 + r) >> g % 2 * 4 & 15;
      const int stored = low | (byte_of(block + 96 + g / 4 * 16 + r) >> g % 4 * 2 & 3) << 4;
      return times(times(d(0), stored - 32), kIQ4[code(128, 4)]);
    }
    default:
      return 0.0f;
  }
}

// Weight (r, k) found where layout.h says that it lies.
float weight_by_specification(const Matrix& m, size_t row, size_t k) {
  const std::byte* strip = m.storage.data() + row / 16 * m.packed.strip_bytes;
  const size_t r = row % 16;
  switch (m.packed.layout) {
    case siskin::Layout::r16k1:
      if (m.type == DType::F32) return read<float>(strip + (k * 16 + r) * 4);
      return siskin::f32_from_f16(read<uint16_t>(strip + (k * 16 + r) * 2));
    case siskin::Layout::r16k2:
      return siskin::f32_from_bf16(read<uint16_t>(strip + ((k / 2) * 32 + r * 2 + k % 2) * 2));
    case siskin::Layout::r16k4_q8: {
      const std::byte* block = strip + k / 32 * 544;
      const int q = read<uint8_t>(block + 32 + (k % 32 / 4) * 64 + r * 4 + k % 4) - 128;
      return static_cast<float>(q) * siskin::f32_from_f16(read<uint16_t>(block + r * 2));
    }
    case siskin::Layout::r16k4_q4: {
      const std::byte* block = strip + k / 32 * 288;
      const size_t low = k % 16;
      const int both = read<uint8_t>(block + 32 + low / 4 * 64 + r * 4 + low % 4);
      const int q = (k % 32 < 16 ? both & 15 : both >> 4) - 8;
      return static_cast<float>(q) * siskin::f32_from_f16(read<uint16_t>(block + r * 2));
    }
    case siskin::Layout::r16k2_fp8: {
      const std::byte* block = strip + k / 128 * 2112;
      const auto code = read<uint8_t>(block + 64 + k % 128 / 2 * 32 + r * 2 + k % 2);
      return siskin::f32_from_e4m3(code) * read<float>(block + r * 4);
    }
    case siskin::Layout::r16k4_w8a8: {
      const int q = read<uint8_t>(strip + 64 + k / 4 * 64 + r * 4 + k % 4) - 128;
      return static_cast<float>(q) * read<float>(strip + r * 4);
    }
    default:
      return quant_by_specification(m.type, strip, r, k);
  }
}

TEST_CASE("packed weights lie where the specification says", "[packed]") {
  for (const DType type : kTypes) {
    const size_t unit = siskin::dtype_info(type).block_elems;
    for (const size_t rows : {1, 15, 16, 17, 33}) {
      for (const size_t groups : {1, 2, 3, 17}) {
        if (unit == 256 && groups > 3) continue;
        const Matrix m = make_matrix(type, rows, groups * unit);
        INFO(siskin::dtype_name(type) << " [" << rows << ", " << m.cols << "]");
        size_t wrong = 0;
        std::vector<float> want(m.cols), got(m.cols);
        std::vector<std::byte> bytes(siskin::row_bytes(type, m.cols));
        for (size_t r = 0; r < rows; ++r) {
          siskin::decode_row(type, m.row(r), want.data(), m.cols);
          for (size_t k = 0; k < m.cols; ++k) wrong += weight_by_specification(m, r, k) != want[k];
          siskin::decode_packed_row(m.packed, r, got.data());
          wrong += got != want;
          siskin::unpack_row(m.packed, r, bytes.data());
          wrong += std::memcmp(bytes.data(), m.row(r), bytes.size()) != 0;
        }
        CHECK(wrong == 0);
      }
    }
  }
}

TEST_CASE("rows that pad the last strip weigh nothing", "[packed]") {
  for (const DType type : kTypes) {
    const size_t unit = siskin::dtype_info(type).block_elems;
    const Matrix m = make_matrix(type, 19, unit * 3);
    siskin::PackedMatrix padded = m.packed;
    padded.rows = 32;
    std::vector<float> row(m.cols);
    for (size_t r = 19; r < 32; ++r) {
      siskin::decode_packed_row(padded, r, row.data());
      CHECK(row == std::vector<float>(m.cols, 0.0f));
    }
  }
}

TEST_CASE("an odd last column of BF16 is padded with zero", "[packed]") {
  const Matrix m = make_matrix(DType::BF16, 16, 5);
  REQUIRE(m.packed.strip_bytes == 16 * 6 * 2);
  for (size_t r = 0; r < 16; ++r) CHECK(read<uint16_t>(m.storage.data() + (2 * 32 + r * 2 + 1) * 2) == 0);
}

TEST_CASE("strips packed apart equal strips packed together", "[packed]") {
  for (const DType type : kTypes) {
    const Matrix m = make_matrix(type, 70, siskin::dtype_info(type).block_elems * 3);
    std::vector<std::byte> apart(m.storage.size(), std::byte{0x11});
    for (const auto& [begin, end] : {std::pair<size_t, size_t>{3, 5}, {0, 1}, {1, 3}}) {
      siskin::pack_strips(type, m.file.data(), m.rows, m.cols, begin, end, apart.data());
    }
    CHECK(apart == m.storage);
  }
}

TEST_CASE("packed sizes", "[packed]") {
  CHECK(siskin::packed_strip_bytes(DType::F32, 7) == 16 * 7 * 4);
  CHECK(siskin::packed_strip_bytes(DType::F16, 7) == 16 * 7 * 2);
  CHECK(siskin::packed_strip_bytes(DType::BF16, 7) == 16 * 8 * 2);
  CHECK(siskin::packed_strip_bytes(DType::Q8_0, 64) == 2 * 544);
  CHECK(siskin::packed_strip_bytes(DType::Q4_0, 64) == 2 * 288);
  CHECK(siskin::packed_strip_bytes(DType::Q6_K, 512) == 16 * 2 * 210);
  CHECK(siskin::packed_strip_bytes(DType::MXFP4, 96) == 16 * 3 * 17);
  CHECK(siskin::packed_strip_bytes(DType::W8A8, 96) == 16 * (4 + 96));
  CHECK(siskin::packed_bytes(DType::F32, 17, 4) == 2 * 16 * 4 * 4);
  // Blocks pack without growing: strips of whole rows hold what the file holds.
  for (const DType type : kTypes) {
    const size_t cols = 2 * siskin::dtype_info(type).block_elems;
    CHECK(siskin::packed_bytes(type, 32, cols) == 32 * siskin::row_bytes(type, cols));
  }
}

}  // namespace
