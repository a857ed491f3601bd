// Mixtral GGUF files from before April 2024 keep every expert's matrix as a tensor of its own ("blk.3.ffn_up.7.weight"); this
// gathers them into the tensor that newer files have ("blk.3.ffn_up_exps.weight", one slice per expert).
#pragma once

#include <siskin/result.h>

#include <string>
#include <vector>

#include "formats/tensor_view.h"

namespace siskin {

// Other tensors pass through, in their order. Errors (corrupt_file, naming `file`): experts missing or unlike each other.
Result<std::vector<TensorView>> gather_single_experts(std::vector<TensorView> tensors, const std::string& file);

}  // namespace siskin
