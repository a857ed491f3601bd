// What values of Hugging Face folders change on the way to GGUF: the row order of q and k, from half-split RoPE order to the
// interleaved order of GGUF's llama and granitemoe architectures, and Gemma's norms.
#pragma once

#include <siskin/result.h>

#include <cstddef>
#include <string_view>

#include "formats/metadata.h"
#include "formats/model_file.h"
#include "formats/tensor_view.h"

namespace siskin {

// Which row of the source holds row `row` of the interleaved tensor: pair i of a head is (i, i + d/2) there and (2i, 2i+1)
// here. The same as llama.cpp's LlamaModel.permute. REQUIRES: head_dim even.
constexpr size_t half_split_row(size_t row, size_t head_dim) {
  const size_t head = row / head_dim;
  const size_t within = row % head_dim;
  return head * head_dim + (within % 2) * (head_dim / 2) + within / 2;
}

// The head size to reorder this tensor by, or 0 to leave it as it is. Only q and k (weights and biases) of a half-split file
// whose architecture GGUF stores interleaved are reordered. Errors: corrupt_file when the rows are no whole number of heads.
Result<size_t> reorder_head_dim(const ModelFile& file, const TensorView& tensor);

// Whether the folder holds this vector as w where GGUF holds 1 + w: Gemma's norms.
bool lacks_one(const ModelFile& file, const TensorView& tensor);

}  // namespace siskin
