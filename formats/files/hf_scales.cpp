#include "formats/files/hf_scales.h"

#include <algorithm>
#include <map>
#include <string_view>

#include "formats/blocks/mxfp4.h"
#include "formats/files/error_text.h"
#include "formats/try.h"

namespace siskin {
namespace {

constexpr size_t kBlock = 128;  // rows and columns under one scale

// What is behind the common name of codes and scales.
struct Endings {
  std::string_view codes, scales;
};

Endings endings_of(HfQuantization quantization) {
  if (quantization == HfQuantization::mxfp4) return {"_blocks", "_scales"};
  return {".weight", quantization == HfQuantization::fp8_blocks ? ".weight_scale_inv" : ".weight_scale"};
}

bool is_quantized(const SafetensorsEntry& entry, HfQuantization quantization) {
  if (quantization == HfQuantization::mxfp4) return entry.name.ends_with(endings_of(quantization).codes);
  return entry.type == DType::I8 || entry.type == DType::F8_E4M3;
}

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

// [experts, rows, blocks, 16] bytes of two codes each, and [experts, rows, blocks] exponents.
Result<TensorView> mxfp4_view(const SafetensorsEntry* codes, const std::string& file, const SafetensorsEntry* scales) {
  if (codes->dtype != "U8" || scales->dtype != "U8") {
    return unsupported_file(
        file, in_quotes(codes->name) + ": " + codes->dtype + " with scales of " + scales->dtype + ", expected U8");
  }
  Shape shape = codes->shape;
  const bool is_empty = std::find(shape.begin(), shape.end(), size_t{0}) != shape.end();
  if (shape.size() != 4 || is_empty || shape.back() != sizeof(BlockMXFP4::q)) {
    return corrupt_file(file,
                        in_quotes(codes->name) + ": shape " + shape_text(shape) + ", expected [experts, rows, blocks, 16]");
  }
  shape.pop_back();
  if (scales->shape != shape) {
    return corrupt_file(file,
                        in_quotes(scales->name) + ": shape " + shape_text(scales->shape) + ", expected " + shape_text(shape));
  }
  TensorView view;
  view.type = DType::MXFP4;
  view.scales.type = DType::I8;
  view.scales.per_row = shape.back();
  shape.back() *= BlockMXFP4::kWeights;  // twice the bytes that the file has of them
  view.shape = shape;
  return view;
}

}  // namespace

Result<QuantizedTensors> pair_scales(std::span<const HfTensor> tensors, HfQuantization quantization) {
  QuantizedTensors out;
  if (quantization == HfQuantization::none) {
    out.tensors.assign(tensors.begin(), tensors.end());
    return out;
  }
  const Endings endings = endings_of(quantization);
  std::map<std::string_view, const HfTensor*> scales;  // by the common name
  for (const HfTensor& tensor : tensors) {
    std::string_view name = tensor.entry->name;
    if (!name.ends_with(endings.scales)) continue;
    name.remove_suffix(endings.scales.size());
    scales.emplace(name, &tensor);
  }
  for (const HfTensor& tensor : tensors) {
    const std::string& name = tensor.entry->name;
    if (name.ends_with(endings.scales)) continue;
    out.tensors.push_back(tensor);
    std::string_view stem = name;
    if (stem.ends_with(endings.codes)) stem.remove_suffix(endings.codes.size());
    const auto found = stem.size() < name.size() ? scales.find(stem) : scales.end();
    if (is_quantized(*tensor.entry, quantization) != (found != scales.end())) {
      return corrupt_file(*tensor.file, in_quotes(name) + ": " + tensor.entry->dtype +
                                            (found == scales.end() ? " without " : " beside ") +
                                            in_quotes(std::string(stem).append(endings.scales)));
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
  if (!codes->type) return mxfp4_view(codes, file, scales);
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
