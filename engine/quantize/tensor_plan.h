// What type a tensor of a rewritten model takes, and in what pieces it is written. Decides only; moves no bytes.
#pragma once

#include <siskin/result.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "engine/quantize/mixture.h"
#include "formats/dtype.h"
#include "formats/tensor_view.h"

namespace siskin {

// The type that a user named. Errors: invalid_argument with the list of types and mixtures that can be written.
Result<DType> writable_type(const std::string& name);

// What a user asked for by one name: a type everywhere, or a mixture.
class AskedType {
 public:
  explicit AskedType(DType type) : type_(type) {}
  explicit AskedType(const Mixture& mixture) : mixture_(&mixture), type_(mixture.most) {}
  // Errors: writable_type's.
  static Result<AskedType> parse(const std::string& name);

  // Before a tensor's shape is looked at.
  DType of(std::string_view tensor, const MixtureModel& model) const {
    return mixture_ != nullptr ? mixture_->type_of(tensor, model) : type_;
  }
  bool is_mixture() const { return mixture_ != nullptr; }
  // GGUF's general.file_type (llama.cpp's enum llama_ftype).
  uint64_t file_type() const;

 private:
  const Mixture* mixture_ = nullptr;
  DType type_;
};

struct TensorPlan {
  DType type{};
  std::string fallback;  // empty, or why the asked type was not taken: "blk.0.ffn_down.weight: 172 columns, q4_0 needs ..."
};

// Matrices take `asked`. Vectors, norms, biases and routers are F32: they are small, and a router's rounding changes which
// experts run. A row that the block does not divide takes the type of blocks of 32 that llama.cpp takes (q6_k: q8_0, q5_k:
// q5_1, q4_k: q5_0, q3_k and q2_k: q4_0, iq4_xs: iq4_nl), and f16 where 32 does not divide it either.
TensorPlan plan_tensor(std::string_view name, const Shape& shape, DType asked);

// A tensor's rows (all slices end to end), cut into equal runs so that writing holds only one run in memory.
struct RowRuns {
  size_t n_runs = 1;
  size_t rows_per_run = 1;
};
// Runs of about 32 MB; one run when no count near that divides the rows. REQUIRES: rows > 0.
RowRuns cut_rows(size_t rows, size_t row_bytes);

// GGUF's general.file_type for a model whose matrices are of this type (llama.cpp's enum llama_ftype).
uint64_t gguf_file_type(DType type);

}  // namespace siskin
