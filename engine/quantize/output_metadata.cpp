// Metadata of a rewritten model.
#include "engine/quantize/output_metadata.h"

#include "engine/quantize/hf_tokenizer.h"
#include "formats/try.h"

namespace siskin {

Result<Metadata> output_metadata(const ModelFile& file, uint64_t file_type) {
  Metadata metadata;
  for (const auto& [key, value] : file.metadata().all()) {
    // split.*: the output is one file. quantize.*: what an earlier tool's calibration was. general.alignment: ours is 32.
    if (key.starts_with("split.") || key.starts_with("quantize.") || key == "general.alignment") continue;
    metadata.set(key, value);
  }
  metadata.set("general.file_type", file_type);
  metadata.set("general.quantization_version", uint64_t{2});  // ggml's block layouts since June 2023
  if (file.is_hugging_face() && !metadata.has("tokenizer.ggml.model")) {
    const TensorView* embedding = file.find("token_embd.weight");
    if (embedding != nullptr) {
      SISKIN_TRY_STATUS(add_folder_tokenizer(file.path(), embedding->rows(), metadata));
    }
  }
  return metadata;
}

}  // namespace siskin
