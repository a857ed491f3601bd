// The tensors of a Hugging Face checkpoint under GGUF's names: experts gathered into one tensor, tied and idle ones left out.
#pragma once

#include <siskin/result.h>

#include <span>
#include <string>
#include <vector>

#include "formats/files/hf_config.h"
#include "formats/model_file.h"
#include "formats/safetensors.h"
#include "formats/tensor_view.h"

namespace siskin {

// A tensor in a mapped file. It owns nothing.
struct HfTensor {
  const SafetensorsEntry* entry = nullptr;
  const std::byte* data = nullptr;
  const std::string* file = nullptr;
  const HfTensor* scales = nullptr;  // of a quantized matrix; set by gguf_tensors_from_hf
};

struct HfContents {
  std::vector<TensorView> tensors;
  LeftOut left_out;
};

// In the order of a GGUF file: embeddings, blocks, output norm, head. Errors: unsupported for a tensor or dtype that has no
// place here, corrupt_file for missing experts, layers outside the configuration and shapes that disagree.
Result<HfContents> gguf_tensors_from_hf(std::span<const HfTensor> tensors, const HfConfig& config, const std::string& folder);

}  // namespace siskin
