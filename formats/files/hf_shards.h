// The safetensors files of a Hugging Face folder.
#pragma once

#include <siskin/result.h>

#include <filesystem>
#include <vector>

#include "formats/files/mapped_file.h"
#include "formats/safetensors.h"

namespace siskin {

struct HfShard {
  MappedFile file;
  SafetensorsContents contents;
};

// model.safetensors, or the shards that the index names, each once, and the index's promises checked against them.
Result<std::vector<HfShard>> open_hf_shards(const std::filesystem::path& folder);

}  // namespace siskin
