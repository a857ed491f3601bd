// Transposes of rows into columns, 16 bytes at a time: what packing a strip of 16 rows spends its time on. Vectors of the
// compiler's own kind, 16 bytes wide, are part of every instruction set that this library is built for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

namespace siskin {

using Vector32 = uint32_t __attribute__((vector_size(16)));
using Vector16 = uint16_t __attribute__((vector_size(16)));

template <class Vector>
Vector load_vector(const std::byte* from) {
  Vector vector;
  std::memcpy(&vector, from, sizeof(vector));
  return vector;
}

template <class Vector>
void store_vector(std::byte* to, Vector vector) {
  std::memcpy(to, &vector, sizeof(vector));
}

// Afterwards v[i] holds what was element i of each vector, in the vectors' order.
inline void transpose(Vector32 (&v)[4]) {
  const Vector32 low01 = __builtin_shufflevector(v[0], v[1], 0, 4, 1, 5);
  const Vector32 high01 = __builtin_shufflevector(v[0], v[1], 2, 6, 3, 7);
  const Vector32 low23 = __builtin_shufflevector(v[2], v[3], 0, 4, 1, 5);
  const Vector32 high23 = __builtin_shufflevector(v[2], v[3], 2, 6, 3, 7);
  v[0] = __builtin_shufflevector(low01, low23, 0, 1, 4, 5);
  v[1] = __builtin_shufflevector(low01, low23, 2, 3, 6, 7);
  v[2] = __builtin_shufflevector(high01, high23, 0, 1, 4, 5);
  v[3] = __builtin_shufflevector(high01, high23, 2, 3, 6, 7);
}

// Pairs of rows are zipped into 32-bit elements; two 4 x 4 transposes then put them in order.
inline Vector32 zip_low(Vector16 a, Vector16 b) {
  return reinterpret_cast<Vector32>(__builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11));
}
inline Vector32 zip_high(Vector16 a, Vector16 b) {
  return reinterpret_cast<Vector32>(__builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15));
}
inline void transpose(Vector16 (&v)[8]) {
  Vector32 low[] = {zip_low(v[0], v[1]), zip_low(v[2], v[3]), zip_low(v[4], v[5]), zip_low(v[6], v[7])};
  Vector32 high[] = {zip_high(v[0], v[1]), zip_high(v[2], v[3]), zip_high(v[4], v[5]), zip_high(v[6], v[7])};
  transpose(low);
  transpose(high);
  const auto halves = [](Vector32 pair) { return reinterpret_cast<Vector16>(pair); };
  v[0] = halves(low[0]), v[1] = halves(low[1]), v[2] = halves(low[2]), v[3] = halves(low[3]);
  v[4] = halves(high[0]), v[5] = halves(high[1]), v[6] = halves(high[2]), v[7] = halves(high[3]);
}

// One vector from each of as many rows, transposed, to as many places. Every index is a constant, so that v stays in registers.
template <class Vector, size_t... Row>
void transpose_tile(const std::byte* rows, size_t row_stride, std::byte* to, size_t to_stride, std::index_sequence<Row...>) {
  Vector v[] = {load_vector<Vector>(rows + Row * row_stride)...};
  transpose(v);
  (store_vector(to + Row * to_stride, v[Row]), ...);
}

// The first `count` elements of 16 rows that lie `row_stride` bytes apart, element k of row r to place k * 16 + r of `strip`.
// REQUIRES: count is a multiple of the elements in a vector.
template <class Vector>
void transpose_rows(const std::byte* rows, size_t row_stride, size_t count, std::byte* strip) {
  constexpr size_t kLanes = sizeof(Vector) / sizeof(Vector{}[0]), kUnit = sizeof(Vector) / kLanes, kRows = 16;
  for (size_t k = 0; k < count; k += kLanes) {
    for (size_t first = 0; first < kRows; first += kLanes) {
      transpose_tile<Vector>(rows + first * row_stride + k * kUnit, row_stride, strip + (k * kRows + first) * kUnit,
                             kRows * kUnit, std::make_index_sequence<kLanes>());
    }
  }
}

}  // namespace siskin
