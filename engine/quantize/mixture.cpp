// Which type each tensor of a mixture takes.
#include "engine/quantize/mixture.h"

#include <charconv>

namespace siskin {
namespace {

using Kind = MixtureKind;

// The layer of "blk.12.ffn_down.weight"; 0 if the name has none.
size_t layer_of(std::string_view tensor) {
  constexpr std::string_view kPrefix = "blk.";
  size_t layer = 0;
  if (tensor.starts_with(kPrefix)) std::from_chars(tensor.data() + kPrefix.size(), tensor.data() + tensor.size(), layer);
  return layer;
}

// The first and the last eighth of the layers, and every third between.
bool gets_more_bits(size_t layer, size_t n_layers) {
  return layer < n_layers / 8 || layer >= 7 * n_layers / 8 || (layer - n_layers / 8) % 3 == 2;
}

DType value_type(Kind kind, DType most, size_t layer, const MixtureModel& model) {
  if (model.n_experts == 8) return DType::Q8_0;  // a small tensor beside eight experts
  DType type = most;
  if (kind == Kind::q2_m) type = model.heads_per_kv >= 4 ? DType::Q4_K : DType::Q3_K;
  if (kind == Kind::q3_m) type = layer < 2 ? DType::Q5_K : DType::Q4_K;
  if (kind == Kind::q3_l || (kind == Kind::q4_s && layer < 4)) type = DType::Q5_K;
  if ((kind == Kind::q4_m || kind == Kind::q5_m) && gets_more_bits(layer, model.n_layers)) type = DType::Q6_K;
  // Models of 80 layers (70B) have so few KV heads that more bits cost next to nothing.
  if (model.n_layers == 80 && (type == DType::Q3_K || type == DType::Q4_K)) type = DType::Q5_K;
  return type;
}

DType down_type(Kind kind, DType most, size_t layer, const MixtureModel& model) {
  switch (kind) {
    case Kind::q2_m:
      return DType::Q3_K;
    case Kind::q3_m:
      return layer < model.n_layers / 16 ? DType::Q5_K : DType::Q4_K;
    case Kind::q3_l:
      return DType::Q5_K;
    case Kind::q4_s:
      return layer < model.n_layers / 8 ? DType::Q5_K : most;
    case Kind::q4_m:
    case Kind::q5_m:
      return gets_more_bits(layer, model.n_layers) ? DType::Q6_K : most;
    default:
      return most;
  }
}

DType attention_output_type(Kind kind, DType most, const MixtureModel& model) {
  if (model.n_experts == 8) return most == DType::Q5_K || kind == Kind::q3_l ? most : DType::Q5_K;
  if (kind == Kind::q2_m) return DType::Q3_K;
  if (kind == Kind::q3_m) return DType::Q4_K;
  return kind == Kind::q3_l ? DType::Q5_K : most;
}

DType fused_qkv_type(Kind kind, DType most) {
  if (kind == Kind::q3_m || kind == Kind::q3_l) return DType::Q4_K;
  if (kind == Kind::q4_m) return DType::Q5_K;
  return kind == Kind::q5_m ? DType::Q6_K : most;
}

}  // namespace

const Mixture* find_mixture(std::string_view name) {
  for (const Mixture& mixture : kMixtures) {
    if (mixture.name == name) return &mixture;
  }
  return nullptr;
}

DType Mixture::type_of(std::string_view tensor, const MixtureModel& model) const {
  const size_t layer = layer_of(tensor);
  if (tensor == "output.weight" || (tensor == "token_embd.weight" && model.tied_embedding)) return DType::Q6_K;
  if (tensor.ends_with("attn_v.weight")) return value_type(kind, most, layer, model);
  if (tensor.ends_with("attn_k.weight")) return model.n_experts == 8 ? DType::Q8_0 : most;
  if (tensor.find(".ffn_down") != tensor.npos) return down_type(kind, most, layer, model);
  if (tensor.ends_with("attn_output.weight")) return attention_output_type(kind, most, model);
  if (tensor.ends_with("attn_qkv.weight")) return fused_qkv_type(kind, most);
  return most;
}

}  // namespace siskin
