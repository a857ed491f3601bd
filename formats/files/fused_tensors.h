// Matrices that files keep as one and families use apart: q, k and v ("blk.3.attn_qkv.weight"), gate and up
// ("blk.3.ffn_gate_up_exps.weight"). Their rows lie one behind the other, or in turns ("blk.3.ffn_gate_by_up_exps.weight": a
// row of gate, a row of up), so that parts are views and nothing is copied.
#pragma once

#include <siskin/result.h>

#include <string>
#include <vector>

#include "formats/metadata.h"
#include "formats/tensor_view.h"

namespace siskin {

// Each fused tensor becomes its parts; others pass through, in their order. Where the metadata does not say how long the parts
// are, as of an architecture that is unknown, a tensor stays whole. Errors (corrupt_file, naming `file`): rows that are not
// those of the parts.
Result<std::vector<TensorView>> split_fused(std::vector<TensorView> tensors, const Metadata& metadata, const std::string& file);

}  // namespace siskin
