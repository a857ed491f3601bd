#include "engine/quantize/output_tensors.h"

#include <optional>
#include <string_view>

namespace siskin {
namespace {

// Where GGUF has one matrix for q, k and v. llama.cpp reads either form of most architectures, of DBRX this alone.
bool keeps_qkv_as_one(std::string_view architecture) { return architecture == "dbrx"; }

// q, k and v of the block that this tensor is one of; nullopt: it is none, or they do not fit each other.
std::optional<OutputTensor> fused_qkv(const ModelFile& file, const TensorView& tensor) {
  const std::string_view name = tensor.name;
  for (const std::string_view own : {"attn_q.weight", "attn_k.weight", "attn_v.weight"}) {
    if (!name.ends_with(own)) continue;
    const std::string block(name.substr(0, name.size() - own.size()));
    OutputTensor whole{block + "attn_qkv.weight", {0, tensor.cols()}, {}};
    for (const char* part : {"attn_q.weight", "attn_k.weight", "attn_v.weight"}) {
      const TensorView* view = file.find(block + part);
      if (view == nullptr || view->shape.size() != 2 || view->cols() != tensor.cols()) return std::nullopt;
      whole.shape[0] += view->rows();
      whole.parts.push_back(view);
    }
    return whole;
  }
  return std::nullopt;
}

}  // namespace

size_t OutputTensor::rows() const {
  size_t n = 0;
  for (const TensorView* part : parts) n += part->elements() / part->cols();
  return n;
}

std::vector<OutputTensor> output_tensors(const ModelFile& file) {
  const auto architecture = file.metadata().string_or("general.architecture", "");
  const bool fuses = architecture && keeps_qkv_as_one(*architecture);
  std::vector<OutputTensor> out;
  for (const TensorView& tensor : file.tensors()) {
    auto whole = fuses ? fused_qkv(file, tensor) : std::nullopt;
    if (!whole) {
      out.push_back({tensor.name, tensor.shape, {&tensor}});
    } else if (whole->parts.front() == &tensor) {  // in place of the first of them
      out.push_back(*std::move(whole));
    }
  }
  return out;
}

}  // namespace siskin
