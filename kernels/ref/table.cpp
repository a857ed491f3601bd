// kTableRef: complete, built with the baseline's flags; select.cpp lays the instruction sets' tables over it.
#include "kernels/isa_tables.h"
#include "kernels/ref/bodies.h"

namespace siskin {

constinit const KernelTable kTableRef = {
    .matvec_f32 = ref::matmul_f32,
    .matvec_f16 = ref::matmul_f16,
    .matvec_bf16 = ref::matmul_bf16,
    .matvec_fp8 = ref::matmul_fp8,
#define SISKIN_INT8_TYPE(Type, name) .matvec_##name = ref::matmul_int8,
#include "kernels/int8_types.inc"
#undef SISKIN_INT8_TYPE
    .matmul_f32 = ref::matmul_f32,
    .matmul_f16 = ref::matmul_f16,
    .matmul_bf16 = ref::matmul_bf16,
    .matmul_fp8 = ref::matmul_fp8,
#define SISKIN_INT8_TYPE(Type, name) .matmul_##name = ref::matmul_int8,
#include "kernels/int8_types.inc"
#undef SISKIN_INT8_TYPE
    .matmul_any_bf16 = ref::matmul_any_bf16,
    .get_row = ref::get_row,
    .quantize_q8 = ref::quantize_q8,
    .round_bf16 = ref::round_bf16,
    .rms_norm = ref::rms_norm,
    .layer_norm = ref::layer_norm,
    .rope = ref::rope,
    .softmax = ref::softmax,
    .swiglu = ref::swiglu,
    .geglu = ref::geglu,
    .add_bias = ref::add_bias,
    .dot = ref::dot,
    .axpy = ref::axpy,
    .top_k = ref::top_k,
    .argmax = ref::argmax,
    .kv_store = ref::kv_store,
    .attention = ref::attention,
    .attention_bf16 = ref::attention_bf16,
    .attention_merge = ref::attention_merge,
};

}  // namespace siskin
