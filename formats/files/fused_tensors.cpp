#include "formats/files/fused_tensors.h"

#include <set>
#include <string_view>

#include "formats/files/error_text.h"
#include "formats/try.h"

namespace siskin {
namespace {

constexpr size_t kMostRows = size_t{1} << 40;  // far above any matrix; sums of three stay within 64 bits

struct Part {
  const char* name;  // in place of the fused one
  size_t rows;
};

// Rows of q, k and v; none where the metadata leaves one open.
Result<std::vector<Part>> attention_parts(const Metadata& metadata) {
  SISKIN_TRY(const std::string architecture, metadata.string_or("general.architecture", ""));
  const std::string prefix = architecture + ".attention.";
  const std::string heads_key = prefix + "head_count", kv_key = prefix + "head_count_kv",
                    d_key = architecture + ".embedding_length";
  for (const std::string& key : {heads_key, d_key}) {
    const MetaValue* value = metadata.find(key);
    if (value == nullptr || std::holds_alternative<std::vector<int64_t>>(*value)) return std::vector<Part>();
  }
  SISKIN_TRY(const uint64_t heads, metadata.u64(heads_key));
  SISKIN_TRY(const uint64_t d_model, metadata.u64(d_key));
  SISKIN_TRY(const uint64_t kv_heads, metadata.u64_or(kv_key, heads));
  if (heads == 0) return std::vector<Part>();
  SISKIN_TRY(const uint64_t key_length, metadata.u64_or(prefix + "key_length", d_model / heads));
  SISKIN_TRY(const uint64_t value_length, metadata.u64_or(prefix + "value_length", key_length));
  constexpr uint64_t kMost = 1u << 20;
  if (heads > kMost || kv_heads > kMost || key_length > kMost || value_length > kMost) return std::vector<Part>();
  if (kv_heads == 0 || key_length == 0 || value_length == 0) return std::vector<Part>();
  return std::vector<Part>{
      {"attn_q.", heads * key_length}, {"attn_k.", kv_heads * key_length}, {"attn_v.", kv_heads * value_length}};
}

// Rows of a matrix, elements of a vector.
size_t rows_of(const TensorView& tensor) { return tensor.shape.size() < 2 ? tensor.cols() : tensor.rows(); }

Status split(const TensorView& whole, std::string_view fused, const std::vector<Part>& parts, const std::string& file,
             std::vector<TensorView>& out) {
  const size_t rows = rows_of(whole);
  size_t sum = 0;
  for (const Part& part : parts) sum += part.rows;
  if (rows != sum || rows > kMostRows) {
    return corrupt_file(file, whole.name + ": " + std::to_string(rows) + " rows, expected " + std::to_string(sum));
  }
  if (!whole.scales.slices.empty()) return unsupported_file(file, whole.name + ": fused and quantized with scales of its rows");
  const bool is_vector = whole.shape.size() < 2;
  const DTypeInfo& info = dtype_info(whole.type);
  if (is_vector && info.block_elems != 1) return corrupt_file(file, whole.name + ": a vector of type " + info.name);
  if (whole.is_transposed() && dtype_info(*whole.transposed).block_elems != 1) {
    return unsupported_file(file, whole.name + ": fused, transposed and quantized");
  }
  // Where a part begins: behind the rows before it, or within the first row of what lies there.
  const size_t part_bytes = whole.slice_bytes / rows,
               step = whole.is_transposed() ? row_bytes(*whole.transposed, 1) : part_bytes;
  size_t first = 0;
  for (const Part& part : parts) {
    TensorView view = whole;
    view.name.replace(view.name.find(fused), fused.size(), part.name);
    view.shape[is_vector ? 0 : view.shape.size() - 2] = part.rows;
    if (!view.is_transposed()) view.slice_bytes = part.rows * part_bytes;  // else it says how wide the rows there are
    for (const std::byte*& slice : view.slices) slice += first * step;
    first += part.rows;
    out.push_back(std::move(view));
  }
  return {};
}

// Rows of two matrices in turns, or elements of two vectors per row.
Status split_turns(const TensorView& whole, std::string_view fused, const char* const (&names)[2], const std::string& file,
                   std::vector<TensorView>& out) {
  const bool is_bias = whole.name.ends_with(".bias");
  const size_t n = is_bias ? whole.cols() : whole.rows();
  if (n % 2 != 0) return corrupt_file(file, whole.name + ": " + std::to_string(n) + " rows, expected an even number");
  if (is_bias ? dtype_info(whole.type).block_elems != 1 : !whole.is_transposed() && whole.scales.slices.empty()) {
    return unsupported_file(file, whole.name + ": in turns, expected transposed, MXFP4 or a bias");
  }
  for (size_t part = 0; part < 2; ++part) {
    TensorView view = whole;
    view.name.replace(view.name.find(fused), fused.size(), names[part]);
    size_t offset = part * row_bytes(is_bias ? whole.type : whole.transposed.value_or(DType::I8), 1);
    if (is_bias) {
      view.shape.back() = n / 2;
      view.element_step = 2;
    } else {
      view.shape[view.shape.size() - 2] = n / 2;
      view.row_step = 2;
    }
    if (!is_bias && !whole.is_transposed()) {
      offset *= whole.slice_bytes / n;
      for (const std::byte*& scales : view.scales.slices) scales += part * whole.scales.per_row;
    }
    if (!whole.is_transposed()) view.slice_bytes /= 2;
    for (const std::byte*& slice : view.slices) slice += offset;
    out.push_back(std::move(view));
  }
  return {};
}

}  // namespace

Result<std::vector<TensorView>> split_fused(std::vector<TensorView> tensors, const Metadata& metadata,
                                            const std::string& file) {
  constexpr std::string_view kQkv = "attn_qkv.", kGateUp = "ffn_gate_up_", kTurns = "ffn_gate_by_up_";
  std::vector<TensorView> out;
  out.reserve(tensors.size());
  for (TensorView& tensor : tensors) {
    if (tensor.name.find(kQkv) != tensor.name.npos) {
      SISKIN_TRY(const std::vector<Part> parts, attention_parts(metadata));
      if (!parts.empty()) {
        SISKIN_TRY_STATUS(split(tensor, kQkv, parts, file, out));
        continue;
      }
    }
    if (tensor.name.find(kTurns) != tensor.name.npos && tensor.shape.size() >= 2) {
      SISKIN_TRY_STATUS(split_turns(tensor, kTurns, {"ffn_gate_", "ffn_up_"}, file, out));
      continue;
    }
    if (tensor.name.find(kGateUp) != tensor.name.npos && tensor.name.ends_with(".weight") && tensor.shape.size() >= 2) {
      const size_t half = tensor.rows() / 2;
      if (tensor.rows() % 2 != 0) {
        return corrupt_file(file, tensor.name + ": " + std::to_string(tensor.rows()) + " rows, expected an even number");
      }
      SISKIN_TRY_STATUS(split(tensor, kGateUp, {{"ffn_gate_", half}, {"ffn_up_", half}}, file, out));
      continue;
    }
    out.push_back(std::move(tensor));
  }
  std::set<std::string_view> names;
  for (const TensorView& tensor : out) {
    if (!names.insert(tensor.name).second) return corrupt_file(file, tensor.name + ": both fused with others and by itself");
  }
  return out;
}

}  // namespace siskin
