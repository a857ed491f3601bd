// libFuzzer target of what a Hugging Face folder holds. The first byte says what the rest is: weights, an index or a
// config.json.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "formats/files/hf_config.h"
#include "formats/files/hf_tensors.h"
#include "formats/safetensors.h"

namespace {

const siskin::HfConfig& mixtral() {
  static const siskin::HfConfig config = [] {
    siskin::HfConfig made;
    made.metadata.set("llama.block_count", uint64_t{2});
    made.metadata.set("llama.expert_count", uint64_t{3});
    made.tied_embeddings = true;
    return made;
  }();
  return config;
}

void check_weights(std::span<const std::byte> bytes) {
  static const std::string file = "fuzz";
  const auto contents = siskin::parse_safetensors(bytes, file);
  if (!contents) return;
  std::vector<siskin::HfTensor> tensors;
  for (const siskin::SafetensorsEntry& entry : contents->tensors) {
    if (entry.begin > entry.end || entry.end > bytes.size()) std::abort();
    tensors.push_back({&entry, bytes.data() + entry.begin, &file});
  }
  const auto checkpoint = siskin::gguf_tensors_from_hf(tensors, mixtral(), file);
  if (!checkpoint) return;
  for (const siskin::TensorView& view : checkpoint->tensors) {
    for (const std::byte* slice : view.slices) {
      if (slice < bytes.data() || view.slice_bytes > static_cast<size_t>(bytes.data() + bytes.size() - slice)) std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const auto bytes = std::span(reinterpret_cast<const std::byte*>(data), size).subspan(1);
  switch (data[0] % 3) {
    case 0:
      check_weights(bytes);
      break;
    case 1:
      if (siskin::parse_safetensors_index(bytes, "fuzz")) break;
      break;
    default:
      if (siskin::parse_hf_config(bytes, "fuzz", "fuzz")) break;
      break;
  }
  return 0;
}
