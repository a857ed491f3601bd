// Packs rows into strips, and takes them apart again. Loops run over 16 rows with the type fixed outside them, because this is
// what a load spends its time on: every weight of a model passes here once.
#include "formats/packed/layout.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <type_traits>

#include "formats/blocks/fp8.h"
#include "formats/blocks/half.h"
#include "formats/blocks/q4_0.h"
#include "formats/blocks/q8_0.h"
#include "formats/check.h"
#include "formats/packed/quant_strips.h"
#include "formats/packed/transpose.h"

namespace siskin {
namespace {

// r16k1 and r16k2: `Group` consecutive k of a row stay together.
template <class Element, size_t Group>
size_t element_offset(size_t row, size_t k) {
  return ((k / Group) * kStripRows * Group + row * Group + k % Group) * sizeof(Element);
}

// `units` elements per row, each row `row_stride` bytes after the last.
template <class Vector>
void pack_units(const std::byte* rows, size_t n_rows, size_t row_stride, size_t units, std::byte* strip) {
  using Unit = std::remove_cvref_t<decltype(Vector{}[0])>;
  size_t begin = 0;
  if (n_rows == kStripRows) {
    begin = units - units % (sizeof(Vector) / sizeof(Unit));
    transpose_rows<Vector>(rows, row_stride, begin, strip);
  }
  for (size_t u = begin; u < units; ++u) {
    for (size_t r = 0; r < n_rows; ++r) {
      std::memcpy(strip + element_offset<Unit, 1>(r, u), rows + r * row_stride + u * sizeof(Unit), sizeof(Unit));
    }
  }
}

// Pairs move as one; an odd last column gets a zero beside it.
void pack_bf16(const std::byte* rows, size_t n_rows, size_t cols, std::byte* strip) {
  const size_t row_stride = cols * sizeof(uint16_t);
  pack_units<Vector32>(rows, n_rows, row_stride, cols / 2, strip);
  if (cols % 2 == 0) return;
  std::memset(strip + cols / 2 * kStripRows * sizeof(uint32_t), 0, kStripRows * sizeof(uint32_t));
  for (size_t r = 0; r < n_rows; ++r) {
    std::memcpy(strip + element_offset<uint16_t, 2>(r, cols - 1), rows + r * row_stride + (cols - 1) * 2, sizeof(uint16_t));
  }
}

template <class Element, size_t Group>
void unpack_elements(const std::byte* strip, size_t row, size_t cols, std::byte* out) {
  for (size_t k = 0; k < cols; ++k) {
    std::memcpy(out + k * sizeof(Element), strip + element_offset<Element, Group>(row, k), sizeof(Element));
  }
}

// A whole strip of Q8_0 or Q4_0, the types most loaded: their planes are the block's own bytes, each xored with `Flip` (0x80
// turns a signed q into q + 128; nibbles are already unsigned), so 16 rows are transposed as they lie. Else as every type of
// blocks.
template <class Block, uint32_t Flip>
void pack_plain_blocks(DType type, const std::byte* rows, size_t n_rows, size_t cols, std::byte* strip) {
  if (n_rows < kStripRows) return pack_quant_strip(type, rows, n_rows, cols, strip);
  constexpr size_t scales = kStripRows * sizeof(uint16_t), words = sizeof(Block::q) / 4, bytes = kStripRows * sizeof(Block);
  const size_t row_stride = cols / kQuantBlock * sizeof(Block);
  for (size_t b = 0; b < cols / kQuantBlock; ++b, rows += sizeof(Block), strip += bytes) {
    for (size_t row = 0; row < kStripRows; ++row)
      std::memcpy(strip + row * 2, rows + row * row_stride + offsetof(Block, scale), 2);
    transpose_rows<Vector32>(rows + offsetof(Block, q), row_stride, words, strip + scales);
    if (Flip == 0) continue;
    for (size_t i = scales; i < bytes; i += sizeof(Vector32)) {
      store_vector(strip + i, load_vector<Vector32>(strip + i) ^ Flip);
    }
  }
}

// The scales, then codes + 128.
void pack_w8a8(const std::byte* rows, size_t n_rows, size_t cols, std::byte* strip) {
  const size_t row_stride = row_bytes(DType::W8A8, cols), words = cols / 4;
  for (size_t r = 0; r < n_rows; ++r) std::memcpy(strip + r * sizeof(float), rows + r * row_stride, sizeof(float));
  strip += kStripRows * sizeof(float);
  pack_units<Vector32>(rows + sizeof(float), n_rows, row_stride, words, strip);
  for (size_t w = 0; w < words; ++w) {
    for (size_t byte = w * kStripRows * 4; byte < (w * kStripRows + n_rows) * 4; ++byte) strip[byte] ^= std::byte{0x80};
  }
}

// A block's scales, then its codes, pairs moving as one.
void pack_fp8(const std::byte* rows, size_t n_rows, size_t cols, std::byte* strip) {
  const size_t row_stride = row_bytes(DType::FP8, cols);
  for (size_t k = 0; k < cols; k += BlockF8::kWeights, rows += sizeof(BlockF8), strip += kStripRows * sizeof(BlockF8)) {
    for (size_t r = 0; r < n_rows; ++r) std::memcpy(strip + r * sizeof(float), rows + r * row_stride, sizeof(float));
    pack_units<Vector16>(rows + offsetof(BlockF8, q), n_rows, row_stride, BlockF8::kWeights / 2,
                         strip + kStripRows * sizeof(float));
  }
}

void unpack_fp8(const std::byte* strip, size_t row, size_t cols, std::byte* out) {
  for (size_t k = 0; k < cols; k += BlockF8::kWeights, out += sizeof(BlockF8), strip += kStripRows * sizeof(BlockF8)) {
    std::memcpy(out, strip + row * sizeof(float), sizeof(float));
    unpack_elements<uint16_t, 1>(strip + kStripRows * sizeof(float), row, BlockF8::kWeights / 2, out + offsetof(BlockF8, q));
  }
}

void pack_strip(DType type, const std::byte* rows, size_t n_rows, size_t cols, std::byte* strip) {
  switch (type) {
    case DType::F32:
      return pack_units<Vector32>(rows, n_rows, cols * sizeof(uint32_t), cols, strip);
    case DType::F16:
      return pack_units<Vector16>(rows, n_rows, cols * sizeof(uint16_t), cols, strip);
    case DType::BF16:
      return pack_bf16(rows, n_rows, cols, strip);
    case DType::Q8_0:
      return pack_plain_blocks<BlockQ8_0, 0x80808080u>(type, rows, n_rows, cols, strip);
    case DType::Q4_0:
      return pack_plain_blocks<BlockQ4_0, 0u>(type, rows, n_rows, cols, strip);
    case DType::W8A8:
      return pack_w8a8(rows, n_rows, cols, strip);
    case DType::FP8:
      return pack_fp8(rows, n_rows, cols, strip);
    default:
      return pack_quant_strip(type, rows, n_rows, cols, strip);
  }
}

void unpack_w8a8(const std::byte* strip, size_t row, size_t cols, std::byte* out) {
  std::memcpy(out, strip + row * sizeof(float), sizeof(float));
  unpack_elements<uint32_t, 1>(strip + kStripRows * sizeof(float), row, cols / 4, out + sizeof(float));
  for (size_t k = 0; k < cols; ++k) out[sizeof(float) + k] ^= std::byte{0x80};
}

}  // namespace

Layout packed_layout(DType type) {
  switch (type) {
    case DType::F32:
    case DType::F16:
      return Layout::r16k1;
    case DType::BF16:
      return Layout::r16k2;
    case DType::Q8_0:
      return Layout::r16k4_q8;
    case DType::Q4_0:
      return Layout::r16k4_q4;
    case DType::Q4_1:
      return Layout::r16k4_q4_1;
    case DType::Q5_0:
      return Layout::r16k4_q5_0;
    case DType::Q5_1:
      return Layout::r16k4_q5_1;
    case DType::Q2_K:
      return Layout::r16k4_q2_k;
    case DType::Q3_K:
      return Layout::r16k4_q3_k;
    case DType::Q4_K:
      return Layout::r16k4_q4_k;
    case DType::Q5_K:
      return Layout::r16k4_q5_k;
    case DType::Q6_K:
      return Layout::r16k4_q6_k;
    case DType::IQ4_NL:
      return Layout::r16k4_iq4_nl;
    case DType::IQ4_XS:
      return Layout::r16k4_iq4_xs;
    case DType::MXFP4:
      return Layout::r16k4_mxfp4;
    case DType::W8A8:
      return Layout::r16k4_w8a8;
    case DType::FP8:
      return Layout::r16k2_fp8;
    default:
      broken_invariant(__FILE__, __LINE__, "packed_layout: a built type");
  }
}

size_t packed_strip_bytes(DType type, size_t cols) {
  switch (packed_layout(type)) {
    case Layout::r16k1:
    case Layout::r16k4_w8a8:
    case Layout::r16k2_fp8:
      return kStripRows * row_bytes(type, cols);
    case Layout::r16k2:
      return kStripRows * row_bytes(type, cols + cols % 2);
    default:
      return quant_strip_bytes(type, cols);
  }
}

void pack_strips(DType type, const std::byte* rows, size_t n_rows, size_t cols, size_t strip_begin, size_t strip_end,
                 std::byte* out) {
  const size_t strip_bytes = packed_strip_bytes(type, cols);
  const size_t file_row_bytes = row_bytes(type, cols);
  for (size_t s = strip_begin; s < strip_end; ++s) {
    const size_t first_row = s * kStripRows;
    const size_t strip_rows = std::min(kStripRows, n_rows - first_row);
    std::byte* strip = out + s * strip_bytes;
    if (strip_rows < kStripRows) std::memset(strip, 0, strip_bytes);
    pack_strip(type, rows + first_row * file_row_bytes, strip_rows, cols, strip);
  }
}

void unpack_row(const PackedMatrix& matrix, size_t row, std::byte* out) {
  const std::byte* strip = matrix.data + row / kStripRows * matrix.strip_bytes;
  const size_t r = row % kStripRows;
  switch (matrix.type) {
    case DType::F32:
      return unpack_elements<uint32_t, 1>(strip, r, matrix.cols, out);
    case DType::F16:
      return unpack_elements<uint16_t, 1>(strip, r, matrix.cols, out);
    case DType::BF16:
      return unpack_elements<uint16_t, 2>(strip, r, matrix.cols, out);
    case DType::W8A8:
      return unpack_w8a8(strip, r, matrix.cols, out);
    case DType::FP8:
      return unpack_fp8(strip, r, matrix.cols, out);
    default:
      return unpack_quant_row(matrix.type, strip, r, matrix.cols, out);
  }
}

void decode_packed_row(const PackedMatrix& matrix, size_t row, float* out) {
  const std::byte* strip = matrix.data + row / kStripRows * matrix.strip_bytes;
  const size_t r = row % kStripRows;
  const auto half_at = [strip](size_t offset) {
    uint16_t bits;
    std::memcpy(&bits, strip + offset, sizeof(bits));
    return bits;
  };
  switch (matrix.type) {
    case DType::F32:
      return unpack_elements<uint32_t, 1>(strip, r, matrix.cols, reinterpret_cast<std::byte*>(out));
    case DType::F16:
      for (size_t k = 0; k < matrix.cols; ++k) out[k] = f32_from_f16(half_at(element_offset<uint16_t, 1>(r, k)));
      return;
    case DType::BF16:
      for (size_t k = 0; k < matrix.cols; ++k) out[k] = f32_from_bf16(half_at(element_offset<uint16_t, 2>(r, k)));
      return;
    case DType::FP8:
      for (size_t k = 0; k < matrix.cols; ++k) {
        const std::byte* block = strip + k / BlockF8::kWeights * kStripRows * sizeof(BlockF8);
        const size_t at = kStripRows * sizeof(float) + element_offset<uint8_t, 2>(r, k % BlockF8::kWeights);
        float scale;
        std::memcpy(&scale, block + r * sizeof(float), sizeof(scale));
        out[k] = f32_from_e4m3(std::to_integer<uint8_t>(block[at])) * scale;
      }
      return;
    default:
      return decode_quant_row(matrix.type, strip, r, matrix.cols, out);
  }
}

}  // namespace siskin
