// config.json of a Hugging Face folder, translated into GGUF's metadata keys; each family has a file in hf/.
#pragma once

#include <siskin/result.h>

#include <cstddef>
#include <span>
#include <string>

#include "formats/files/hf/family.h"
#include "formats/files/hf_quantization.h"
#include "formats/metadata.h"

namespace siskin {

struct HfConfig {
  const HfFamily* family = nullptr;
  Metadata metadata;
  HfLayers layers;
  std::vector<HfVector> vectors;
  bool tied_embeddings = false;  // lm_head is the embedding matrix
  HfQuantization quantization{};
};

// `model_name` becomes general.name. What the file leaves out takes the default of transformers' configuration class. Errors:
// corrupt_file, and unsupported, naming the architecture or the setting that is not built.
Result<HfConfig> parse_hf_config(std::span<const std::byte> bytes, const std::string& file, const std::string& model_name);

}  // namespace siskin
