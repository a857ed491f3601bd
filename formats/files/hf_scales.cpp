#include "formats/files/hf_scales.h"

#include <algorithm>
#include <map>
#include <string_view>

#include "formats/files/error_text.h"
#include "formats/try.h"

namespace siskin {
namespace {

constexpr size_t kBlock = 128;  // rows and columns under one scale

// What is behind the name of the codes: X.weight and X.weight_scale.
std::string_view scale_ending(HfQuantization quantization) {
  return quantization == HfQuantization::fp8_blocks ? "_scale_inv" : "_scale";
}

bool is_quantized(const SafetensorsEntry& entry) { return entry.type == DType::I8 || entry.type == DType::F8_E4M3; }

// How the scales of such a shape spread over a matrix; false: not at all.
bool spread_scales(const Shape& scales, const TensorView& matrix, ScaleTables& out) {
  const size_t rows = matrix.rows(), cols = matrix.cols();
  if (scales == Shape{rows, 1} || scales == Shape{rows}) return true;
  if (matrix.type != DType::FP8) return false;
  if (scales.empty() || scales == Shape{1}) {
    out.rows_per_scale = rows;
    return true;
  }
  out.rows_per_scale = kBlock;
  out.per_row = cols / kBlock;
  return scales == Shape{(rows + kBlock - 1) / kBlock, cols / kBlock};
}

}  // namespace

Result<QuantizedTensors> pair_scales(std::span<const HfTensor> tensors, HfQuantization quantization) {
  QuantizedTensors out;
  if (quantization == HfQuantization::none) {
    out.tensors.assign(tensors.begin(), tensors.end());
    return out;
  }
  const std::string_view ending = scale_ending(quantization);
  const std::string whole_ending = std::string(".weight").append(ending);
  std::map<std::string_view, const HfTensor*> scales;  // by the name of what they scale
  for (const HfTensor& tensor : tensors) {
    std::string_view name = tensor.entry->name;
    if (!name.ends_with(whole_ending)) continue;
    name.remove_suffix(ending.size());
    scales.emplace(name, &tensor);
  }
  for (const HfTensor& tensor : tensors) {
    const std::string& name = tensor.entry->name;
    if (name.ends_with(whole_ending)) continue;
    out.tensors.push_back(tensor);
    const auto found = scales.find(name);
    if (is_quantized(*tensor.entry) != (found != scales.end())) {
      return corrupt_file(*tensor.file, in_quotes(name) + ": " + tensor.entry->dtype +
                                            (found == scales.end() ? " without " : " beside ") +
                                            in_quotes(std::string(name).append(ending)));
    }
    if (found == scales.end()) continue;
    out.scales.push_back(std::make_unique<HfTensor>(*found->second));
    out.tensors.back().scales = out.scales.back().get();
    scales.erase(found);
  }
  if (!scales.empty()) {
    const HfTensor& stray = *scales.begin()->second;
    return corrupt_file(*stray.file, in_quotes(stray.entry->name) + ": scales of a tensor that is not there");
  }
  return out;
}

Result<TensorView> quantized_view(const SafetensorsEntry* codes, const std::string& file, const SafetensorsEntry* scales) {
  const Shape& shape = codes->shape;
  if (shape.size() != 2 || shape[0] == 0 || shape[1] == 0) {
    return corrupt_file(file, in_quotes(codes->name) + ": shape " + shape_text(shape) + ", expected a matrix");
  }
  TensorView view;
  view.type = codes->type == DType::I8 ? DType::W8A8 : DType::FP8;
  view.shape = shape;
  const DTypeInfo& info = dtype_info(view.type);
  if (shape[1] % info.block_elems != 0) {
    return unsupported_file(file, in_quotes(codes->name) + ": " + std::to_string(shape[1]) + " columns, " + info.name +
                                      " needs a multiple of " + std::to_string(info.block_elems));
  }
  if (scales->type != DType::F32 && scales->type != DType::F16 && scales->type != DType::BF16) {
    return unsupported_file(file, in_quotes(scales->name) + ": dtype " + scales->dtype + ", expected F32, F16 or BF16");
  }
  view.scales.type = *scales->type;
  if (!spread_scales(scales->shape, view, view.scales)) {
    return corrupt_file(
        file, in_quotes(scales->name) + ": shape " + shape_text(scales->shape) + ", expected " + shape_text({shape[0], 1}));
  }
  return view;
}

}  // namespace siskin
