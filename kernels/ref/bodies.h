// The scalar bodies of the `ref` table: every operation as its equation in kernels.h says it, for any CPU. Not meant to be
// fast.
#pragma once

#include "kernels/kernels.h"

namespace siskin::ref {

// matmul.cpp
void matmul_f32(const MatmulArgs& args) noexcept;
void matmul_f16(const MatmulArgs& args) noexcept;
void matmul_bf16(const MatmulArgs& args) noexcept;
void matmul_fp8(const MatmulArgs& args) noexcept;
void matmul_int8(const MatmulArgs& args) noexcept;

// matmul_bf16.cpp
void matmul_any_bf16(const MatmulArgs& args) noexcept;
void round_bf16(const float* x, size_t n, uint16_t* out) noexcept;

// rows.cpp
void get_row(const GetRowArgs& args) noexcept;
void quantize_q8(const float* x, size_t n, int8_t* q, float* scale, int32_t* sum, int32_t* half) noexcept;

// elementwise.cpp
void rms_norm(const RmsNormArgs& args) noexcept;
void layer_norm(const LayerNormArgs& args) noexcept;
void rope(const RopeArgs& args) noexcept;
void softmax(float* x, size_t n) noexcept;
void swiglu(const float* g, const float* u, float* y, size_t n) noexcept;
void geglu(const GegluArgs& args) noexcept;
void add_bias(const AddBiasArgs& args) noexcept;
float dot(const DotArgs& args) noexcept;
void axpy(float s, const float* x, float* y, size_t n) noexcept;

// order.cpp
void top_k(const float* x, size_t n, size_t k, uint32_t* ids) noexcept;
size_t argmax(const float* x, size_t n) noexcept;

// attention.cpp
void kv_store(const KvStoreArgs& args) noexcept;
void attention(const AttentionArgs& args) noexcept;
void attention_bf16(const AttentionArgs& args) noexcept;
void attention_merge(const AttentionMergeArgs& args) noexcept;

}  // namespace siskin::ref
