// `quantization_config` of a Hugging Face folder: how its matrices are quantized, if in one of the ways that are read here.
#pragma once

#include <siskin/result.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace siskin {

enum class HfQuantization : uint8_t {
  none,
  int8_rows,   // compressed-tensors: int8 with a `weight_scale` per row
  fp8_rows,    // compressed-tensors: E4M3 with a `weight_scale` per row or matrix
  fp8_blocks,  // "fp8": E4M3 with a `weight_scale_inv` per 128 x 128
  mxfp4,       // "mxfp4": X is `X_blocks` of 16 bytes and `X_scales`, an exponent per block
};

// Errors: corrupt_file, and unsupported, naming the setting that is not read and those that are.
Result<HfQuantization> parse_hf_quantization(const nlohmann::json& quantization, const std::string& file);

// The same as a folder says it. REQUIRES: int8_rows or fp8_rows. `left`: modules whose weights are not quantized.
nlohmann::json hf_quantization_json(HfQuantization quantization, const std::vector<std::string>& left);

}  // namespace siskin
