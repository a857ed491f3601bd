// Which tensors of a Hugging Face folder change on the way to GGUF.
#include "engine/quantize/hf_order.h"

#include <string>

#include "formats/try.h"

namespace siskin {
namespace {

bool holds_rotated_rows(std::string_view name) {
  for (const std::string_view suffix : {"attn_q.weight", "attn_k.weight", "attn_q.bias", "attn_k.bias"}) {
    if (name.ends_with(suffix)) return true;
  }
  return false;
}

}  // namespace

Result<size_t> reorder_head_dim(const ModelFile& file, const TensorView& tensor) {
  if (rope_pairing(file) != RopePairing::half_split || !holds_rotated_rows(tensor.name)) return size_t{0};
  SISKIN_TRY(const std::string architecture, file.metadata().string("general.architecture"));
  if (gguf_rope_pairing(architecture) == RopePairing::half_split) return size_t{0};

  const std::string heads = architecture + ".attention.head_count";
  SISKIN_TRY(const uint64_t d_model, file.metadata().u64(architecture + ".embedding_length"));
  SISKIN_TRY(const uint64_t n_heads, file.metadata().u64(heads));
  if (n_heads == 0) return Error{ErrorCode::corrupt_file, file.path().string() + ": " + heads + " is 0"};
  SISKIN_TRY(const uint64_t head_dim, file.metadata().u64_or(architecture + ".attention.key_length", d_model / n_heads));
  const size_t rows = tensor.shape.size() < 2 ? tensor.cols() : tensor.rows();
  if (head_dim == 0 || head_dim % 2 != 0 || rows % head_dim != 0) {
    return Error{ErrorCode::corrupt_file, file.path().string() + ": " + tensor.name + ": " + std::to_string(rows) +
                                              " rows, expected whole heads of an even size, got heads of " +
                                              std::to_string(head_dim)};
  }
  return static_cast<size_t>(head_dim);
}

bool lacks_one(const ModelFile& file, const TensorView& tensor) {
  const auto architecture = file.metadata().string("general.architecture");
  return file.is_hugging_face() && architecture && *architecture == "gemma3" && tensor.name.ends_with("norm.weight");
}

}  // namespace siskin
