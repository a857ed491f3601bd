#include "formats/tensor_view.h"

#include <algorithm>

#include "formats/blocks/codec.h"

namespace siskin {
namespace {

// Rows of a transposed matrix are columns of what lies there: as many blocks as hold them, of every row.
const std::byte* columns_of(const TensorView& tensor, size_t slice, size_t first, size_t n, std::vector<std::byte>& room) {
  const DTypeInfo& info = dtype_info(*tensor.transposed);
  const size_t cols = tensor.cols(), stored_row = row_bytes(*tensor.transposed, tensor.rows());
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

}  // namespace

const std::byte* rows_of(const TensorView& tensor, size_t slice, size_t first, size_t n, std::vector<std::byte>& room) {
  if (tensor.is_transposed()) return columns_of(tensor, slice, first, n, room);
  return tensor.slices[slice] + first * row_bytes(tensor.type, tensor.cols());
}

std::string shape_text(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

}  // namespace siskin
