#include "formats/files/hf_quantization.h"

#include <algorithm>

#include "formats/files/error_text.h"
#include "formats/try.h"

namespace siskin {
namespace {

using nlohmann::json;

constexpr const char* kRead =
    "compressed-tensors with 8-bit int weights per channel or 8-bit float weights per channel or tensor is read, fp8 with "
    "e4m3 in blocks of [128, 128], and mxfp4";

Error not_read(const std::string& file, const std::string& what) {
  return unsupported_file(file, "'quantization_config': " + what + " is not supported; " + kRead);
}

const json& member(const json& object, const char* key) {
  static const json kNull;
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}

bool is_nothing(const json& value) { return value.is_null() || value == false || (value.is_object() && value.empty()); }

// One entry of `config_groups`.
Result<HfQuantization> parse_group(const json& group, const std::string& file) {
  if (!group.is_object() || !member(group, "weights").is_object()) {
    return corrupt_file(file, "'quantization_config': a group without 'weights'");
  }
  const json& weights = member(group, "weights");
  for (const char* key : {"dynamic", "group_size", "actorder", "block_structure"}) {
    if (!is_nothing(member(weights, key))) return not_read(file, in_quotes(key) + " of weights");
  }
  if (member(weights, "symmetric") == false) return not_read(file, "'symmetric' false of weights");
  if (member(weights, "num_bits") != 8) return not_read(file, "'num_bits' " + member(weights, "num_bits").dump());
  const json& type = member(weights, "type");
  const json& strategy = member(weights, "strategy");
  const bool int8 = type == "int" && strategy == "channel";
  if (!int8 && (type != "float" || (strategy != "channel" && strategy != "tensor"))) {
    return not_read(file, "weights of type " + in_quotes(type.dump()) + " by " + in_quotes(strategy.dump()));
  }
  // Activations are rounded to int8 on the fly here, block by block, or not at all beside floats; scales that a checkpoint
  // fixed for them would be ignored.
  const json& activations = member(group, "input_activations");
  if (!is_nothing(activations) && (!activations.is_object() || member(activations, "dynamic") != true)) {
    return not_read(file, "static quantization of activations");
  }
  if (!is_nothing(member(group, "output_activations"))) return not_read(file, "'output_activations'");
  return int8 ? HfQuantization::int8_rows : HfQuantization::fp8_rows;
}

Result<HfQuantization> parse_fp8(const json& quantization, const std::string& file) {
  const json& format = member(quantization, "fmt");
  if (!format.is_null() && format != "e4m3") return not_read(file, "'fmt' " + in_quotes(format.dump()));
  const json& scheme = member(quantization, "activation_scheme");
  if (!scheme.is_null() && scheme != "dynamic") return not_read(file, "'activation_scheme' " + in_quotes(scheme.dump()));
  const json& block = member(quantization, "weight_block_size");
  if (block != json{128, 128}) return not_read(file, "'weight_block_size' " + in_quotes(block.dump()));
  return HfQuantization::fp8_blocks;
}

Result<HfQuantization> parse_compressed_tensors(const json& quantization, const std::string& file) {
  if (!is_nothing(member(quantization, "kv_cache_scheme"))) return not_read(file, "'kv_cache_scheme'");
  const json& sparsity = member(quantization, "sparsity_config");
  if (!is_nothing(sparsity) && (!sparsity.is_object() || member(sparsity, "format") != "dense")) {
    return not_read(file, "'sparsity_config'");
  }
  const json& groups = member(quantization, "config_groups");
  if (!groups.is_object() || groups.empty()) {
    return corrupt_file(file, "'quantization_config': 'config_groups' is no object with groups");
  }
  HfQuantization all{};
  for (const auto& [name, group] : groups.items()) {
    SISKIN_TRY(const HfQuantization one, parse_group(group, file));
    if (all != HfQuantization::none && one != all) return not_read(file, "a mixture of types");
    all = one;
  }
  return all;
}

}  // namespace

Result<HfQuantization> parse_hf_quantization(const json& quantization, const std::string& file) {
  const json& method = quantization.is_object() ? member(quantization, "quant_method") : quantization;
  if (!method.is_string()) return corrupt_file(file, "'quantization_config' has no 'quant_method'");
  if (method == "compressed-tensors") return parse_compressed_tensors(quantization, file);
  if (method == "fp8") return parse_fp8(quantization, file);
  if (method == "mxfp4") return HfQuantization::mxfp4;
  return not_read(file, "'quant_method' " + in_quotes(method.get<std::string>()));
}

json hf_quantization_json(HfQuantization quantization, const std::vector<std::string>& left) {
  const json common = {
      {"num_bits", 8}, {"type", quantization == HfQuantization::int8_rows ? "int" : "float"}, {"symmetric", true}};
  json weights = common, activations = common;
  weights.update({{"strategy", "channel"}, {"dynamic", false}});
  activations.update({{"strategy", "token"}, {"dynamic", true}});
  json ignored = left;
  if (std::find(left.begin(), left.end(), "lm_head") == left.end()) ignored.push_back("lm_head");  // tied, it has no tensor
  const json group = {
      {"targets", {"Linear"}}, {"weights", weights}, {"input_activations", activations}, {"output_activations", nullptr}};
  return {{"quant_method", "compressed-tensors"},
          {"format", quantization == HfQuantization::int8_rows ? "int-quantized" : "float-quantized"},
          {"quantization_status", "compressed"},
          {"config_groups", {{"group_0", group}}},
          {"ignore", ignored},
          {"kv_cache_scheme", nullptr}};
}

}  // namespace siskin
