#include "formats/tensor_view.h"

#include <algorithm>
#include <cstring>

#include "formats/blocks/codec.h"

namespace siskin {
namespace {

// Rows of a transposed matrix are columns of what lies there: as many blocks as hold them, of every row.
const std::byte* columns_of(const TensorView& tensor, size_t slice, size_t first, size_t n, std::vector<std::byte>& room) {
  const DTypeInfo& info = dtype_info(*tensor.transposed);
  const size_t cols = tensor.cols(), stored_row = tensor.slice_bytes / cols;
  const size_t block = first / info.block_elems, end = (first + n + info.block_elems - 1) / info.block_elems;
  const size_t width = (end - block) * info.block_elems, skip = first - block * info.block_elems;
  std::vector<float> stored(width), values(n * cols);
  for (size_t c = 0; c < cols; ++c) {
    decode_row(info.type, tensor.slices[slice] + c * stored_row + block * info.block_bytes, stored.data(), width);
    for (size_t r = 0; r < n; ++r) values[r * cols + c] = stored[skip + r];
  }
  const size_t bytes = row_bytes(tensor.type, cols);
  room.resize(n * bytes);
  for (size_t r = 0; r < n; ++r) encode_row(tensor.type, values.data() + r * cols, room.data() + r * bytes, cols);
  return room.data();
}

// A row of the type is a few times an f32 scale and the codes that it belongs to, perhaps oftener than the table has scales.
const std::byte* scaled_rows_of(const TensorView& tensor, size_t slice, size_t first, size_t n, std::vector<std::byte>& room) {
  const ScaleTables& scales = tensor.scales;
  const std::byte* codes = tensor.slices[slice] + first * tensor.cols();
  const size_t pieces = dtype_info(tensor.type).head_bytes > 0 ? 1 : tensor.cols() / dtype_info(tensor.type).block_elems;
  const size_t run = tensor.cols() / pieces, scale_bytes = row_bytes(scales.type, 1);
  room.resize(n * row_bytes(tensor.type, tensor.cols()));
  std::byte* out = room.data();
  for (size_t row = first; row < first + n; ++row) {
    const std::byte* table = scales.slices[slice] + row / scales.rows_per_scale * scales.per_row * scale_bytes;
    for (size_t i = 0; i < pieces; ++i, codes += run) {
      float scale;
      decode_row(scales.type, table + i * scales.per_row / pieces * scale_bytes, &scale, 1);
      std::memcpy(out, &scale, sizeof(scale));
      std::memcpy(out + sizeof(scale), codes, run);
      out += sizeof(scale) + run;
    }
  }
  return room.data();
}

}  // namespace

const std::byte* rows_of(const TensorView& tensor, size_t slice, size_t first, size_t n, std::vector<std::byte>& room) {
  if (tensor.is_transposed()) return columns_of(tensor, slice, first, n, room);
  if (!tensor.scales.slices.empty()) return scaled_rows_of(tensor, slice, first, n, room);
  return tensor.slices[slice] + first * row_bytes(tensor.type, tensor.cols());
}

std::string shape_text(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

}  // namespace siskin
