// The layouts that kernels read. A packed matrix is cut into strips of 16 rows; inside a strip the rows are interleaved along k, so
// that one vector register holds 16 rows at the same k and no kernel needs a horizontal sum. Byte layouts: FORMATS.md "Packed".
// Plain data only: this header is included by translation units of every instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "formats/dtype.h"

namespace siskin {

inline constexpr size_t kStripRows = 16;
inline constexpr size_t kQuantBlock = 32;  // columns in a group of weights, and activations per scale

enum class Layout : uint8_t {
  r16k1,     // F32, F16: for each k, 16 rows.                                    element (r,k) at k*16 + r
  r16k2,     // BF16: for each pair of k, 16 rows x 2.                            element (r,k) at (k/2)*32 + r*2 + k%2
  r16k4_q8,  // Q8_0: per block of 32 k: 16 f16 scales, then 8 groups of (16 rows x 4 k) bytes holding q + 128 (unsigned).
             //       q (r,k) at 32 + (k/4)*64 + r*4 + k%4 of a 544-byte block
  r16k4_q4,  // Q4_0: per block of 32 k: 16 f16 scales, then 4 groups of 64 bytes; the low nibble of byte r*4 + k%4 of group g
             //       holds (r, k = 4g + k%4), the high nibble (r, k + 16); values are q + 8 in 0..15. 288-byte block
  // All other types of blocks: per block of 32 or 256 k, the scales and minima of 16 rows, then per group of 32 k words of 4
  // bytes per row, 16 rows x 4 k in 64 bytes, that hold the codes' bits (planes.h); what opens the block differs (headers.h).
  r16k4_q4_1,
  r16k4_q5_0,
  r16k4_q5_1,
  r16k4_q2_k,
  r16k4_q3_k,
  r16k4_q4_k,
  r16k4_q5_k,
  r16k4_q6_k,
  r16k4_iq4_nl,
  r16k4_iq4_xs,
  r16k4_mxfp4,
  r16k4_w8a8,  // W8A8: 16 f32 scales open the strip; then r16k4_q8 without the scales of its blocks
  r16k2_fp8,   // FP8: per block of 128 k: 16 f32 scales, then r16k2 of bytes. 2112-byte block
};

// A matrix [rows, cols] as kernels see it. `tensor` and `slice` identify it to the ledger; kernels only pass them on.
struct PackedMatrix {
  const std::byte* data = nullptr;  // 64-byte aligned
  DType type{};
  Layout layout{};
  size_t rows = 0;         // real rows; the last strip is padded with zeros to 16
  size_t cols = 0;         // a multiple of the type's block; BF16 pads an odd last column with zero
  size_t strip_bytes = 0;  // strip s starts at data + s*strip_bytes
  uint32_t tensor = 0;
  uint32_t slice = 0;      // expert index, 0 for other tensors

  size_t strips() const { return (rows + kStripRows - 1) / kStripRows; }
};

// The layout that this type is packed in. REQUIRES: a built type.
Layout packed_layout(DType type);
// Bytes of one strip of `cols` columns.
size_t packed_strip_bytes(DType type, size_t cols);
inline size_t packed_bytes(DType type, size_t rows, size_t cols) {
  return (rows + kStripRows - 1) / kStripRows * packed_strip_bytes(type, cols);
}

// Packs strips [strip_begin, strip_end) of a row-major matrix (file layout, row_bytes(type, cols) apart) into `out`, which is the
// start of the whole packed matrix. Strips are independent: call from several threads.
void pack_strips(DType type, const std::byte* rows, size_t n_rows, size_t cols, size_t strip_begin, size_t strip_end,
                 std::byte* out);
// The inverse for one row: writes row_bytes(type, cols) bytes in file layout.
void unpack_row(const PackedMatrix& matrix, size_t row, std::byte* out);
// Decodes one row to f32: out[k] = W[row, k].
void decode_packed_row(const PackedMatrix& matrix, size_t row, float* out);

}  // namespace siskin
