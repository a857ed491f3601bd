#include "formats/files/latent_tensors.h"

#include <string_view>

#include "formats/checked_math.h"
#include "formats/files/error_text.h"
#include "formats/try.h"

namespace siskin {
namespace {

constexpr std::string_view kWhole = ".attn_kv_b.weight";

// Rows of one head.
struct HeadRows {
  size_t heads, keys, values;
};

Result<HeadRows> head_rows(const Metadata& metadata, const std::string& prefix) {
  SISKIN_TRY(const uint64_t heads, metadata.u64(prefix + "attention.head_count"));
  SISKIN_TRY(const uint64_t rotated, metadata.u64(prefix + "rope.dimension_count"));
  SISKIN_TRY(uint64_t keys, metadata.u64_or(prefix + "attention.key_length", 0));
  SISKIN_TRY(uint64_t values, metadata.u64_or(prefix + "attention.value_length", 0));
  SISKIN_TRY(keys, metadata.u64_or(prefix + "attention.key_length_mla", keys));
  SISKIN_TRY(values, metadata.u64_or(prefix + "attention.value_length_mla", values));
  return HeadRows{heads, keys > rotated ? keys - rotated : 0, values};
}

void add_scales(const ScaleTables& whole, size_t first_row, ScaleTables& part) {
  part.slices.push_back(whole.slices[0]);
  part.first_rows.push_back(first_row);
}

}  // namespace

Status split_latents(ModelParts& parts, const std::string& file) {
  std::vector<TensorView> out;
  out.reserve(parts.tensors.size());
  for (TensorView& whole : parts.tensors) {
    if (!whole.name.ends_with(kWhole)) {
      out.push_back(std::move(whole));
      continue;
    }
    SISKIN_TRY(const std::string architecture, parts.metadata.string("general.architecture"));
    SISKIN_TRY(const HeadRows rows, head_rows(parts.metadata, architecture + "."));
    const auto expected = checked_mul(rows.heads, rows.keys + rows.values);
    if (whole.shape.size() != 2 || rows.keys == 0 || rows.values == 0 || rows.keys > whole.shape[0] ||
        rows.values > whole.shape[0] || !expected || *expected != whole.shape[0]) {
      return corrupt_file(file, whole.name + ": shape " + shape_text(whole.shape) + ", expected for each of " +
                                    std::to_string(rows.heads) + " heads " + std::to_string(rows.keys) + " rows of keys and " +
                                    std::to_string(rows.values) + " of values");
    }
    const size_t row = whole.slice_bytes / whole.shape[0];
    const std::string block = whole.name.substr(0, whole.name.size() - kWhole.size());
    const DTypeInfo& info = dtype_info(whole.type);
    const bool as_f16 = info.built && info.block_elems > 1;
    TensorView keys, values;
    keys.name = block + ".attn_k_b.weight";
    keys.type = as_f16 ? DType::F16 : whole.type;
    keys.transposed = whole.type;
    keys.shape = {rows.heads, whole.shape[1], rows.keys};
    keys.slice_bytes = rows.keys * row;
    values.name = block + ".attn_v_b.weight";
    values.type = whole.type;
    values.shape = {rows.heads, rows.values, whole.shape[1]};
    values.slice_bytes = rows.values * row;
    keys.scales = values.scales = whole.scales;
    keys.scales.slices.clear();
    values.scales.slices.clear();
    for (size_t head = 0; head < rows.heads; ++head) {
      const size_t first = head * (rows.keys + rows.values);
      keys.slices.push_back(whole.slices[0] + first * row);
      values.slices.push_back(keys.slices.back() + keys.slice_bytes);
      if (whole.scales.slices.empty()) continue;
      // Heads need not begin where a block of rows under one scale does.
      add_scales(whole.scales, first, keys.scales);
      add_scales(whole.scales, first + rows.keys, values.scales);
    }
    out.push_back(std::move(keys));
    out.push_back(std::move(values));
  }
  parts.tensors = std::move(out);
  return {};
}

}  // namespace siskin
