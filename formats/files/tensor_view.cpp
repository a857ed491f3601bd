#include "formats/tensor_view.h"

#include <algorithm>
#include <cstring>

#include "formats/blocks/codec.h"
#include "formats/blocks/fp8.h"
#include "formats/blocks/mxfp4.h"

namespace siskin {
namespace {

// The scale of a weight, in a table for rows of so many columns.
float scale_at(const ScaleTables& scales, size_t slice, size_t row, size_t column, size_t columns) {
  const size_t table_row = ((scales.first_rows.empty() ? 0 : scales.first_rows[slice]) + row) / scales.rows_per_scale;
  const size_t i = table_row * scales.per_row + column * scales.per_row / columns;
  float scale;
  decode_row(scales.type, scales.slices[slice] + i * row_bytes(scales.type, 1), &scale, 1);
  return scale;
}

// Weights [first, first + n) of a row of what lies there transposed.
const float* decode_stretch(const TensorView& tensor, size_t slice, size_t row, size_t first, size_t n,
                            std::vector<float>& room) {
  const DTypeInfo& info = dtype_info(*tensor.transposed);
  const size_t there = tensor.slice_bytes / tensor.cols();  // bytes of a row
  const std::byte* begin = tensor.slices[slice] + row * there;
  if (tensor.scales.slices.empty()) {
    const size_t block = first / info.block_elems, end = (first + n + info.block_elems - 1) / info.block_elems;
    room.resize((end - block) * info.block_elems);
    decode_row(info.type, begin + block * info.block_bytes, room.data(), room.size());
    return room.data() + (first - block * info.block_elems);
  }
  room.resize(n);
  for (size_t i = 0; i < n; ++i) {
    const auto code = static_cast<uint8_t>(begin[first + i]);
    const float value = info.type == DType::FP8 ? f32_from_e4m3(code) : static_cast<float>(static_cast<int8_t>(code));
    room[i] = value * scale_at(tensor.scales, slice, row, first + i, there);
  }
  return room.data();
}

// Rows of a transposed matrix are columns of what lies there: as many blocks as hold them, of every row.
const std::byte* columns_of(const TensorView& tensor, size_t slice, size_t first, size_t n, std::vector<std::byte>& room) {
  const size_t cols = tensor.cols();
  std::vector<float> stored, values(n * cols);
  for (size_t c = 0; c < cols; ++c) {
    const size_t step = tensor.row_step;
    const float* column = decode_stretch(tensor, slice, c, first * step, (n - 1) * step + 1, stored);
    for (size_t r = 0; r < n; ++r) values[r * cols + c] = column[r * step];
  }
  const size_t bytes = row_bytes(tensor.type, cols);
  room.resize(n * bytes);
  for (size_t r = 0; r < n; ++r) encode_row(tensor.type, values.data() + r * cols, room.data() + r * bytes, cols);
  return room.data();
}

// A row of the type is a few times an f32 scale and the codes that it belongs to, perhaps oftener than the table has scales.
const std::byte* scaled_rows_of(const TensorView& tensor, size_t slice, size_t first, size_t n, std::vector<std::byte>& room) {
  const std::byte* codes = tensor.slices[slice] + first * tensor.cols();
  const size_t pieces = dtype_info(tensor.type).head_bytes > 0 ? 1 : tensor.cols() / dtype_info(tensor.type).block_elems;
  const size_t run = tensor.cols() / pieces;
  room.resize(n * row_bytes(tensor.type, tensor.cols()));
  std::byte* out = room.data();
  for (size_t row = first; row < first + n; ++row) {
    for (size_t i = 0; i < pieces; ++i, codes += run) {
      const float scale = scale_at(tensor.scales, slice, row, i * run, tensor.cols());
      std::memcpy(out, &scale, sizeof(scale));
      std::memcpy(out + sizeof(scale), codes, run);
      out += sizeof(scale) + run;
    }
  }
  return room.data();
}

// gpt-oss' folders keep a block's neighbours in one byte, GGUF's blocks weights that are 16 apart.
const std::byte* mxfp4_rows_of(const TensorView& tensor, size_t slice, size_t first, size_t n, std::vector<std::byte>& room) {
  const size_t blocks = tensor.cols() / BlockMXFP4::kWeights;
  room.resize(n * row_bytes(DType::MXFP4, tensor.cols()));
  std::byte* out = room.data();
  for (size_t row = first; row < first + n; ++row) {
    const size_t at = row * tensor.row_step * blocks;
    for (size_t b = at; b < at + blocks; ++b, out += sizeof(BlockMXFP4)) {
      const std::byte* pairs = tensor.slices[slice] + b * sizeof(BlockMXFP4::q);
      const auto code = [&](size_t k) { return static_cast<uint8_t>(pairs[k / 2]) >> (k % 2 * 4) & 15; };
      BlockMXFP4 block;
      block.exponent = static_cast<uint8_t>(tensor.scales.slices[slice][b]);
      for (size_t j = 0; j < 16; ++j) block.q[j] = static_cast<uint8_t>(code(j) | code(j + 16) << 4);
      std::memcpy(out, &block, sizeof block);
    }
  }
  return room.data();
}

const std::byte* spread_rows_of(const TensorView& tensor, size_t slice, size_t first, size_t n, std::vector<std::byte>& room) {
  const size_t size = row_bytes(tensor.type, 1), elements = n * tensor.cols();
  const std::byte* from = tensor.slices[slice] + first * tensor.cols() * tensor.element_step * size;
  room.resize(elements * size);
  for (size_t i = 0; i < elements; ++i) std::memcpy(room.data() + i * size, from + i * tensor.element_step * size, size);
  return room.data();
}

}  // namespace

const std::byte* rows_of(const TensorView& tensor, size_t slice, size_t first, size_t n, std::vector<std::byte>& room) {
  if (tensor.is_transposed()) return columns_of(tensor, slice, first, n, room);
  if (tensor.element_step > 1) return spread_rows_of(tensor, slice, first, n, room);
  if (!tensor.scales.slices.empty() && tensor.type == DType::MXFP4) return mxfp4_rows_of(tensor, slice, first, n, room);
  if (!tensor.scales.slices.empty()) return scaled_rows_of(tensor, slice, first, n, room);
  return tensor.slices[slice] + first * row_bytes(tensor.type, tensor.cols());
}

size_t file_bytes(const TensorView& tensor) {
  const size_t scales = tensor.scales.bytes(tensor.rows()) * tensor.slices.size();
  if (!tensor.is_transposed()) return tensor.slice_bytes * tensor.slices.size() + scales;
  const DTypeInfo& info = dtype_info(*tensor.transposed);  // slices may hold what belongs to others too
  const bool is_coded = !tensor.scales.slices.empty();     // in a byte each
  return (is_coded ? tensor.elements() : tensor.elements() / info.block_elems * info.block_bytes) + scales;
}

std::string shape_text(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

}  // namespace siskin
