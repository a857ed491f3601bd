// kTableRef: complete, built with the baseline's flags; select.cpp lays the instruction sets' tables over it.
#include "kernels/isa_tables.h"
#include "kernels/ref/bodies.h"

namespace siskin {

constinit const KernelTable kTableRef = {
    .matvec_f32 = ref::matmul_f32,
    .matvec_f16 = ref::matmul_f16,
    .matvec_bf16 = ref::matmul_bf16,
    .matvec_q8_0 = ref::matmul_q8_0,
    .matvec_q4_0 = ref::matmul_q4_0,
    .matvec_rows = ref::matmul_rows,
    .matmul_f32 = ref::matmul_f32,
    .matmul_f16 = ref::matmul_f16,
    .matmul_bf16 = ref::matmul_bf16,
    .matmul_q8_0 = ref::matmul_q8_0,
    .matmul_q4_0 = ref::matmul_q4_0,
    .matmul_rows = ref::matmul_rows,
    .get_row = ref::get_row,
    .quantize_q8 = ref::quantize_q8,
    .rms_norm = ref::rms_norm,
    .rope = ref::rope,
    .softmax = ref::softmax,
    .swiglu = ref::swiglu,
    .axpy = ref::axpy,
    .top_k = ref::top_k,
    .argmax = ref::argmax,
    .kv_store = ref::kv_store,
    .attention = ref::attention,
};

}  // namespace siskin
