// ModelParts: an opened model before ModelFile puts an index over it: the mappings, and what was read from their headers.
#pragma once

#include <siskin/result.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "formats/files/mapped_file.h"
#include "formats/metadata.h"
#include "formats/model_file.h"
#include "formats/tensor_view.h"

namespace siskin {

struct ModelParts {
  std::vector<MappedFile> files;  // those that hold weights
  Metadata metadata;
  std::vector<TensorView> tensors;  // slices point into `files` or `made`
  std::vector<std::vector<std::byte>> made;
  LeftOut left_out;
  std::optional<RopePairing> packed;  // of a packed file: what it says
  std::vector<std::string> notes;     // what was left out, a line each
};

// A GGUF file; where it is one part of several (split.count > 1), all of them, wherever in the row `path` stands.
Result<ModelParts> open_gguf(const std::filesystem::path& path);
// A folder with config.json and safetensors files.
Result<ModelParts> open_hf_folder(const std::filesystem::path& folder);

}  // namespace siskin
