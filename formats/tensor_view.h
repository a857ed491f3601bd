// TensorView: a named tensor in a mapped file, in the file's own row layout. It owns nothing.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "formats/dtype.h"

namespace siskin {

// Shapes are row-major, outermost first: [rows, cols], [experts, rows, cols], [n] for vectors. (GGUF writes the reverse.)
using Shape = std::vector<size_t>;

// Scales that lie apart from the codes, as in Hugging Face folders: a table per slice, row-major. Rows of the tensor's type, as
// row_bytes() counts them, are put together by rows_of().
struct ScaleTables {
  DType type{};                          // F32, F16 or BF16; of MXFP4 bytes of exponents, as I8
  size_t rows_per_scale = 1;             // of the matrix
  size_t per_row = 1;                    // scales in a table's row
  std::vector<const std::byte*> slices;  // empty: the rows lie in the tensor's slices as they are
  std::vector<size_t> first_rows;        // of the matrix that a table is of, where each slice begins; empty: at its first

  // Of one table, for a matrix of so many rows.
  size_t bytes(size_t rows) const {
    return slices.empty() ? 0 : (rows + rows_per_scale - 1) / rows_per_scale * per_row * row_bytes(type, 1);
  }
};

struct TensorView {
  std::string name;  // GGUF vocabulary: "blk.3.ffn_gate.weight", also when it came from a Hugging Face folder
  DType type{};
  Shape shape;
  // One slice for most tensors. Expert tensors [experts, rows, cols] have one slice per expert, because a Hugging Face
  // folder keeps experts apart; a GGUF file fills the same vector with pointers into one range.
  std::vector<const std::byte*> slices;
  size_t slice_bytes = 0;  // bytes of each slice; without `scales`
  ScaleTables scales;
  // Set: the slices hold the matrix transposed, [cols, rows] of this type. `type` is the same, or F16
  // where this is a type of blocks.
  std::optional<DType> transposed;
  // Of neighbours there, every so many belong to the tensor: 2 where two lie in turns. Rows: of what is transposed or MXFP4
  // with scales apart; elements: of plain rows.
  size_t row_step = 1, element_step = 1;

  bool is_transposed() const { return transposed.has_value(); }
  // Whether other tensors lie between its bytes.
  bool is_scattered() const { return is_transposed() || row_step > 1 || element_step > 1; }
  size_t rows() const { return shape.size() < 2 ? 1 : shape[shape.size() - 2]; }
  size_t cols() const { return shape.empty() ? 1 : shape.back(); }
  size_t elements() const {
    size_t n = 1;
    for (size_t d : shape) n *= d;
    return n;
  }
};

// `n` rows of a slice from `first` on, row_bytes() apart: where they lie, or put together in `room`.
// REQUIRES: a matrix; first + n <= its rows.
const std::byte* rows_of(const TensorView& tensor, size_t slice, size_t first, size_t n, std::vector<std::byte>& room);

// Of the file, for all slices, scales too.
size_t file_bytes(const TensorView& tensor);

std::string shape_text(const Shape& shape);  // "[2048, 64]"

}  // namespace siskin
