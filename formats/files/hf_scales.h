// The scales of quantized Hugging Face tensors: which tensor they belong to, and what codes and scales are together.
#pragma once

#include <siskin/result.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "formats/files/hf_tensors.h"

namespace siskin {

// The tensors that hold weights, those that are quantized with their scales; these lie in `scales`.
struct QuantizedTensors {
  std::vector<HfTensor> tensors;
  std::vector<std::unique_ptr<HfTensor>> scales;
};

// Errors: corrupt_file for codes without scales and scales without codes.
Result<QuantizedTensors> pair_scales(std::span<const HfTensor> tensors, HfQuantization quantization);

// Codes and scales as a tensor of the type that they are, MXFP4's of all experts together; name and slices are left to the
// caller. Errors: corrupt_file for shapes that disagree, unsupported for types and shapes without kernels.
Result<TensorView> quantized_view(const SafetensorsEntry* codes, const std::string& file, const SafetensorsEntry* scales);

}  // namespace siskin
