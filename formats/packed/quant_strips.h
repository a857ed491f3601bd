// Strips of the types of blocks: what layout.cpp and the reference kernels ask about them.
#pragma once

#include "formats/packed/layout.h"

namespace siskin {

// REQUIRES for all: a type of blocks; the reading ones take W8A8 too, as blocks of 32 columns.
size_t quant_strip_bytes(DType type, size_t cols);
// Packs n_rows <= 16 rows in file layout, side by side, into a strip whose other rows are zero bytes already.
void pack_quant_strip(DType type, const std::byte* rows, size_t n_rows, size_t cols, std::byte* strip);
void unpack_quant_row(DType type, const std::byte* strip, size_t row, size_t cols, std::byte* out);

// A block of one row: weight k = scale[k / 16] * level[k] - minimum[k / 16].
struct PackedBlock {
  static constexpr size_t kMostColumns = 256;
  size_t columns;  // 32 or 256
  size_t scales;   // per group of 32 columns: 1 (both halves' are equal) or 2
  bool minima;
  bool of_row;  // the scale is the row's: kernels multiply by it once, at the end
  int32_t level[kMostColumns];
  float scale[kMostColumns / 16];
  float minimum[kMostColumns / 16];
};
void read_packed_block(DType type, const std::byte* strip, size_t row, size_t index, PackedBlock* out);
// out[k] = weight k of the row.
void decode_quant_row(DType type, const std::byte* strip, size_t row, size_t cols, float* out);

}  // namespace siskin
