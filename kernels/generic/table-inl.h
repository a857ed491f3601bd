// The kernel table of an instruction set that has a strip vector and an xsimd architecture: which body serves which row of the
// list. A set that wants another body for a row overrides it in its own unit; one that adds an int8 dot to a lower set has
// those rows alone.
#pragma once

#include "kernels/generic/attention_latent-inl.h"
#include "kernels/generic/elementwise-inl.h"
#include "kernels/generic/kv_store-inl.h"
#include "kernels/generic/matmul_float-inl.h"
#include "kernels/generic/matmul_fp8-inl.h"
#include "kernels/generic/matmul_int8-inl.h"
#include "kernels/generic/order-inl.h"
#include "kernels/generic/rows-inl.h"

namespace {

// The rows whose bodies are built on Strip's int8 dot.
template <class Strip>
constexpr siskin::KernelTable with_int8(siskin::KernelTable table = {}) {
#define SISKIN_INT8_TYPE(Type, name)                       \
  table.matvec_##name = matvec_int8<Strip, Weights##Type>; \
  table.matmul_##name = matmul_int8<Strip, Weights##Type>;
#include "kernels/int8_types.inc"
#undef SISKIN_INT8_TYPE
  return table;
}

// All others.
template <class Strip, class Arch>
constexpr siskin::KernelTable table_of() {
  return {
      .matvec_f32 = matvec_float<Strip, WeightsF32>,
      .matvec_f16 = matvec_float<Strip, WeightsF16>,
      .matvec_bf16 = matvec_float<Strip, WeightsBf16>,
      .matvec_fp8 = matvec_fp8<Strip>,
      .matmul_f32 = matmul_float<Strip, WeightsF32>,
      .matmul_f16 = matmul_float<Strip, WeightsF16>,
      .matmul_bf16 = matmul_float<Strip, WeightsBf16>,
      .matmul_fp8 = matmul_fp8<Strip>,
      .get_row = get_row<Strip>,
      .quantize_q8 = quantize_q8<Arch>,
      .rms_norm = rms_norm<Arch>,
      .layer_norm = layer_norm<Arch>,
      .rope = rope<Arch>,
      .softmax = softmax<Arch>,
      .swiglu = swiglu<Arch>,
      .geglu = geglu<Arch>,
      .add_bias = add_bias<Arch>,
      .dot = dot<Arch>,
      .axpy = axpy<Arch>,
      .top_k = top_k<Arch>,
      .argmax = argmax<Arch>,
      .kv_store = kv_store<Strip, Arch>,
      .attention = attention<Strip, Arch>,
      .attention_merge = attention_merge<Arch>,
  };
}

}  // namespace
