// Types and pieces of the tensors of a rewritten model.
#include "engine/quantize/tensor_plan.h"

#include <algorithm>
#include <array>

#include "formats/check.h"
#include "formats/try.h"

namespace siskin {
namespace {

struct Writable {
  DType type;
  uint64_t file_type;  // llama.cpp's llama_ftype; of its mixtures the smallest in which most tensors have this type
};
constexpr std::array kWritable = {
    Writable{DType::F32, 0},     Writable{DType::F16, 1},   Writable{DType::BF16, 32}, Writable{DType::Q8_0, 7},
    Writable{DType::Q6_K, 18},   Writable{DType::Q5_K, 16}, Writable{DType::Q5_1, 9},  Writable{DType::Q5_0, 8},
    Writable{DType::Q4_K, 14},   Writable{DType::Q4_1, 3},  Writable{DType::Q4_0, 2},  Writable{DType::IQ4_NL, 25},
    Writable{DType::IQ4_XS, 30}, Writable{DType::Q3_K, 11}, Writable{DType::Q2_K, 10}, Writable{DType::MXFP4, 38}};
constexpr size_t kRunBytes = size_t{32} << 20;

bool is_matrix(std::string_view name, const Shape& shape) {
  if (shape.size() < 2 || !name.ends_with(".weight")) return false;
  return !name.ends_with("norm.weight") && !name.ends_with("ffn_gate_inp.weight");
}

DType next_type(DType type) {
  switch (type) {
    case DType::Q6_K:
      return DType::Q8_0;
    case DType::Q5_K:
      return DType::Q5_1;
    case DType::Q4_K:
      return DType::Q5_0;
    case DType::Q3_K:
    case DType::Q2_K:
      return DType::Q4_0;
    case DType::IQ4_XS:
      return DType::IQ4_NL;
    default:
      return DType::F16;
  }
}

}  // namespace

Result<DType> writable_type(const std::string& name) {
  std::string known;
  for (const auto& [type, file_type] : kWritable) {
    if (name == dtype_name(type)) return type;
    known += known.empty() ? "" : ", ";
    known += dtype_name(type);
  }
  for (const Mixture& mixture : kMixtures) known.append(", ").append(mixture.name);
  known += ", w8a8, fp8";
  return Error{ErrorCode::invalid_argument, "type '" + name + "': expected one of " + known};
}

Result<AskedType> AskedType::parse(const std::string& name) {
  if (const Mixture* mixture = find_mixture(name)) return AskedType(*mixture);
  SISKIN_TRY(const DType type, writable_type(name));
  return AskedType(type);
}

uint64_t AskedType::file_type() const { return mixture_ != nullptr ? mixture_->file_type : gguf_file_type(type_); }

TensorPlan plan_tensor(std::string_view name, const Shape& shape, DType asked) {
  if (!is_matrix(name, shape)) return {DType::F32, {}};
  const size_t cols = shape.back();
  TensorPlan plan{asked, {}};
  while (cols % dtype_info(plan.type).block_elems != 0) plan.type = next_type(plan.type);
  if (plan.type != asked) {
    plan.fallback = std::string(name) + ": " + std::to_string(cols) + " columns, " + dtype_name(asked) +
                    " needs a multiple of " + std::to_string(dtype_info(asked).block_elems) + ": " + dtype_name(plan.type);
  }
  return plan;
}

RowRuns cut_rows(size_t rows, size_t row_bytes) {
  SISKIN_CHECK(rows > 0);
  const size_t fewest = std::max<size_t>(1, rows / std::max<size_t>(1, kRunBytes / std::max<size_t>(1, row_bytes)));
  // A row count with no divisor nearby (a prime vocabulary) is written in one run: slower to hold, never wrong.
  for (size_t n = fewest; n <= std::min(rows, fewest * 8); ++n) {
    if (rows % n == 0) return {n, rows / n};
  }
  return {1, rows};
}

uint64_t gguf_file_type(DType type) {
  for (const Writable& writable : kWritable) {
    if (writable.type == type) return writable.file_type;
  }
  SISKIN_CHECK(false && "a writable type");
  return 0;
}

}  // namespace siskin
