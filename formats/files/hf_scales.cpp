#include "formats/files/hf_scales.h"

#include <map>
#include <string_view>

#include "formats/files/error_text.h"
#include "formats/try.h"

namespace siskin {
namespace {

constexpr std::string_view kScaleEnding = "_scale";  // X.weight and X.weight_scale

bool is_quantized(const SafetensorsEntry& entry) { return entry.type == DType::I8; }

}  // namespace

Result<QuantizedTensors> pair_scales(std::span<const HfTensor> tensors, HfQuantization quantization) {
  QuantizedTensors out;
  if (quantization == HfQuantization::none) {
    out.tensors.assign(tensors.begin(), tensors.end());
    return out;
  }
  std::map<std::string_view, const HfTensor*> scales;  // by the name of what they scale
  for (const HfTensor& tensor : tensors) {
    std::string_view name = tensor.entry->name;
    if (!name.ends_with(std::string(".weight").append(kScaleEnding))) continue;
    name.remove_suffix(kScaleEnding.size());
    scales.emplace(name, &tensor);
  }
  for (const HfTensor& tensor : tensors) {
    const std::string& name = tensor.entry->name;
    if (name.ends_with(std::string(".weight").append(kScaleEnding))) continue;
    out.tensors.push_back(tensor);
    const auto found = scales.find(name);
    if (is_quantized(*tensor.entry) != (found != scales.end())) {
      return corrupt_file(*tensor.file, in_quotes(name) + ": " + tensor.entry->dtype +
                                            (found == scales.end() ? " without " : " beside ") + in_quotes(name + "_scale"));
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
  view.type = DType::W8A8;
  view.shape = shape;
  if (scales->type != DType::F32 && scales->type != DType::F16 && scales->type != DType::BF16) {
    return unsupported_file(file, in_quotes(scales->name) + ": dtype " + scales->dtype + ", expected F32, F16 or BF16");
  }
  view.scales.type = *scales->type;
  if (scales->shape != Shape{shape[0], 1} && scales->shape != Shape{shape[0]}) {
    return corrupt_file(
        file, in_quotes(scales->name) + ": shape " + shape_text(scales->shape) + ", expected " + shape_text({shape[0], 1}));
  }
  const DTypeInfo& info = dtype_info(view.type);
  if (shape[1] % info.block_elems != 0) {
    return unsupported_file(file, in_quotes(codes->name) + ": " + std::to_string(shape[1]) + " columns, " + info.name +
                                      " needs a multiple of " + std::to_string(info.block_elems));
  }
  return view;
}

}  // namespace siskin
