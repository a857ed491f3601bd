// One row at a time: the embedding lookup, and activations rounded to int8.
#include <cmath>

#include "kernels/ref/bodies.h"

namespace siskin::ref {

void get_row(const GetRowArgs& args) noexcept { decode_packed_row(args.w, args.row, args.out); }

void quantize_q8(const float* x, size_t n, int8_t* q, float* scale, int32_t* sum, int32_t* half) noexcept {
  for (size_t b = 0; b < n / kQuantBlock; ++b) {
    const float* values = x + b * kQuantBlock;
    float largest = 0.0f;
    for (size_t k = 0; k < kQuantBlock; ++k) {
      const float magnitude = std::fabs(values[k]);
      if (magnitude > largest) largest = magnitude;
    }
    scale[b] = largest / 127.0f;
    const float inverse = largest > 0.0f ? 127.0f / largest : 0.0f;
    int32_t total = 0;
    for (size_t k = 0; k < kQuantBlock; ++k) {
      const auto rounded = static_cast<int8_t>(std::lrintf(values[k] * inverse));  // to nearest, ties to even
      q[b * kQuantBlock + k] = rounded;
      total += rounded;
      if (k == kQuantBlock / 2 - 1) half[b] = total;
    }
    sum[b] = total;
  }
}

}  // namespace siskin::ref
