// Reference encode and decode of rows, by type. The formats' own arithmetic, byte for byte; not meant to be fast.
#pragma once

#include <cstddef>

#include "formats/dtype.h"

namespace siskin {

// out[k] = the f32 value of weight k. REQUIRES: a built type; n % block_elems == 0.
void decode_row(DType type, const void* row, float* out, size_t n);
// Rounds f32 to the type as ggml's reference quantisers do. REQUIRES: as above.
void encode_row(DType type, const float* values, void* row, size_t n);

}  // namespace siskin
