// What is done to tensors: every operation's contract, as an equation, and the table that holds one function for each.
// Plain data only: this header is included by the translation unit of every instruction set.
//
// Shared rules. All functions are noexcept, allocate nothing, and may run on several threads on disjoint outputs. Pointers need
// the alignment of their element type only, except PackedMatrix::data (64). Inputs and outputs do not alias unless a line says
// so. The order of every floating-point sum is part of the contract where written; it never depends on threads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "formats/packed/layout.h"

namespace siskin {

// Activations in int8: row i holds q[i*cols ..], and per block b of 32: scale[i*cols/32 + b], sum[...] = sum of its q, and
// half[...] = sum of the first 16 of them.
struct QuantRows {
  const int8_t* q = nullptr;
  const float* scale = nullptr;
  const int32_t* sum = nullptr;
  const int32_t* half = nullptr;
};

// y[i, r] = sum_k W[r, k] * X[g(i), k]   for i in [0, m), r in rows of strips [strip_begin, strip_end), r < w.rows
//   g(i) = gather ? gather[i] : i
// F32, F16, BF16 weights read `x` (f32, row i at x + i*x_stride), widen each weight to f32, and sum in f32 over k in any fixed
// order. FP8 weights read `x` too: block by block of 128 columns, y = fma(sum q * x, scale, y),
// the inner sum in any fixed order in f32; a NaN code, which no quantiser writes, counts as 480 of its sign.
// All other types read `xq`. A weight is scale * q - min, q a whole number; a scale (and a min, if the type has any)
// belongs to a group
//   of 32 columns of a row, or to half of one. y starts at 0 and takes, group by group and half by half in ascending order,
//   y = fma(scale * dx, float(sum q * qx), y), then, if there are mins, y = fma(-min, dx * float(sum qx), y); products of two
//   floats are rounded to f32, inner sums are exact in int32: these are bit-identical on every instruction set.
//   W8A8 has one scale per row, which waits: y = fma(dx, float(sum q * qx), y) group by group, and y = scale * y at the end.
// y[i, r] lies at y + i*y_stride + (r - strip_begin*16): outputs start at the range's first row. Rows past w.rows are not
// written.
struct MatmulArgs {
  PackedMatrix w;
  size_t strip_begin = 0;
  size_t strip_end = 0;
  size_t m = 0;
  const uint32_t* gather = nullptr;  // [m] or null
  const float* x = nullptr;
  size_t x_stride = 0;  // in floats
  QuantRows xq;
  const uint16_t* xb = nullptr;  // bf16, as RoundFn writes rows; the engine's choice of matmul_any_bf16
  size_t xb_stride = 0;          // in elements, >= cols rounded up to 32
  float* y = nullptr;
  size_t y_stride = 0;  // in floats, >= (strip_end - strip_begin) * 16 unless m == 1
};
using MatmulFn = void (*)(const MatmulArgs& args) noexcept;  // matvec: the same with m == 1

// What a weight type's matmul reads.
enum class Activation : uint8_t { f32, int8 };
inline Activation activation_of(DType type) {
  const bool floats = type == DType::F32 || type == DType::F16 || type == DType::BF16 || type == DType::FP8;
  return floats ? Activation::f32 : Activation::int8;
}

// matmul_any_bf16, weights of any type:  y[i, r] = sum_k bf16(W[r, k]) * bf16(X[g(i), k])
// Each weight is decoded to f32 as blocks/ does, rounded to bf16, and multiplied with `xb`; products of two
// bf16 are exact in f32. Denormal weights, activations, products and sums count as zero. `ref` and `amx` sum as TDPBF16PS does:
// per 32 columns the even and the odd products apart by fma, ascending, the two sums added, that added to y; `avx512bf16` in
// another order. Rounding costs 2^-9 of each factor, independently: less than int8 activations do, more than f32 kernels.

// out[k] = x[k] rounded to bf16, to nearest even; denormals to zero; then zeros up to a multiple of 32.
using RoundFn = void (*)(const float* x, size_t n, uint16_t* out) noexcept;

// From how many rows on a matmul runs on matmul_any_bf16 rather than on its type's own kernel, unless a session is
// `deterministic`; 0: never. F32 weights never do: who stores F32 (routers, above all) wants it.
struct Bf16Rows {
  size_t bf16 = 0;
  size_t f16 = 0;
  size_t fp8 = 0;
  size_t blocks = 0;  // every type with int8 activations
  size_t attention =
      0;  // not a matmul: rows of a call of attention, from which on it is attention_bf16's, unless K and V are F32
};

// Per block b of 32: scale = max|x| / 127, q = round_half_even(x / scale) (as x * (127 / max|x|)), sum = sum q,
// half = sum of its first 16 q; all zero for a zero block.
// REQUIRES: n % 32 == 0.
using QuantizeFn = void (*)(const float* x, size_t n, int8_t* q, float* scale, int32_t* sum, int32_t* half) noexcept;

// y[j] = x[j] * w[j] / sqrt(mean_j(x[j]^2) + eps).  y may be x.
struct RmsNormArgs {
  const float* x = nullptr;
  const float* w = nullptr;  // null: all 1
  float* y = nullptr;
  size_t n = 0;
  float eps = 0;
  uint32_t tensor = 0;  // identity of w, for the ledger
};
using RmsNormFn = void (*)(const RmsNormArgs& args) noexcept;

// y[j] = (x[j] - m) * w[j] / sqrt(mean_j((x[j] - m)^2) + eps) + b[j],  m = mean_j(x[j]).  y may be x.
struct LayerNormArgs {
  const float* x = nullptr;
  const float* w = nullptr;  // null: all 1
  const float* b = nullptr;  // null: all 0
  float* y = nullptr;
  size_t n = 0;
  float eps = 0;
  uint32_t tensor = 0;  // identity of w, for the ledger
  uint32_t bias_tensor = 0;
};
using LayerNormFn = void (*)(const LayerNormArgs& args) noexcept;

// Rotates each head in place: (a, b) -> (a cos - b sin, a sin + b cos) for pair j of [0, n_rot/2).
// interleaved: a = x[2j], b = x[2j+1];  otherwise a = x[j], b = x[j + n_rot/2]. Elements past n_rot stay.
struct RopeArgs {
  float* x = nullptr;  // head h at x + h*head_dim
  size_t n_heads = 0;
  size_t head_dim = 0;
  size_t n_rot = 0;
  const float* cos = nullptr;  // [n_rot/2] at this position
  const float* sin = nullptr;
  bool interleaved = true;
};
using RopeFn = void (*)(const RopeArgs& args) noexcept;

// x[j] = exp(x[j] - max x) / sum exp(x - max x), in place. REQUIRES: n >= 1; -inf entries become 0 if any entry is finite.
using SoftmaxFn = void (*)(float* x, size_t n) noexcept;

// y[j] = g[j] / (1 + exp(-g[j])) * u[j].  y may be g or u.
using SwigluFn = void (*)(const float* g, const float* u, float* y, size_t n) noexcept;

// y[j] = g[j] / (1 + exp(-2 z)) * u[j],  z = sqrt(2/pi) (g[j] + 0.044715 g[j]^3): GELU by its tanh form, since
// (1 + tanh z) / 2 = 1 / (1 + exp(-2 z)).  y may be g or u.  A type of its own, so that its tests find it.
struct GegluArgs {
  const float* g = nullptr;
  const float* u = nullptr;
  float* y = nullptr;
  size_t n = 0;
};
using GegluFn = void (*)(const GegluArgs& args) noexcept;

// y[j] += bias[j].
struct AddBiasArgs {
  const float* bias = nullptr;
  float* y = nullptr;
  size_t n = 0;
  uint32_t tensor = 0;  // identity of bias, for the ledger
};
using AddBiasFn = void (*)(const AddBiasArgs& args) noexcept;

// sum_j x[j] * w[j].
struct DotArgs {
  const float* x = nullptr;
  const float* w = nullptr;
  size_t n = 0;
  uint32_t tensor = 0;  // identity of w, for the ledger
};
using DotFn = float (*)(const DotArgs& args) noexcept;

// y[j] += s * x[j].
using AxpyFn = void (*)(float s, const float* x, float* y, size_t n) noexcept;

// ids[0..k): the indices of the k largest of x, in descending order of value, ties by lower index; NaN ranks below everything.
// REQUIRES: 1 <= k <= n.
using TopKFn = void (*)(const float* x, size_t n, size_t k, uint32_t* ids) noexcept;

// KV cache blocks. One block holds kKvPositions positions of one (layer, KV head), in one of the types F32, F16, BF16, Q8_0:
//   K: 2 strips of 16 positions, each [key_dim][16] values (a position is a strip's row);  V: [32 positions][value_dim] values.
//   Q8_0: the values are q as int8, and behind all of them lie F16 scales, one per 32 of a head (the last may have fewer):
//   K's as [2 strips][ceil(key_dim/32)][16], V's as [ceil(value_dim/32)][32 positions]. A value is q * scale.
// K and V take kKvPositions * kv_row_bytes(type, width) bytes each.
// Where a value is the beginning of its key (the latents of DeepSeek), v is null and `k` holds both once, laid out as V is, of
// width key_dim.
inline constexpr size_t kKvPositions = 32;
struct KvBlock {
  std::byte* k = nullptr;
  std::byte* v = nullptr;
};
inline constexpr size_t kv_row_bytes(DType type, size_t width) {
  if (type == DType::Q8_0) return width + (width + kQuantBlock - 1) / kQuantBlock * sizeof(uint16_t);
  return width * (type == DType::F32 ? sizeof(float) : sizeof(uint16_t));
}

// Stores one position's K and V (f32) at `slot` in [0, 32) of a block, rounded to nearest even. Q8_0, per 32 values:
// scale = max|x| / 127 rounded to F16, q = round_half_even(x * (127 / max|x|)); all zero where the scale is.
struct KvStoreArgs {
  DType type{};
  const float* k = nullptr;  // [key_dim]
  const float* v = nullptr;  // [value_dim]; not read where block.v is null
  size_t key_dim = 0;
  size_t value_dim = 0;
  KvBlock block;
  size_t slot = 0;
};
using KvStoreFn = void (*)(const KvStoreArgs& args) noexcept;

// out[i] = sum_p w_p V[p],  w_p = exp(scale * q[i].K[p]) / (sum_p exp(scale * q[i].K[p]) + exp(sink[i]))
// over positions p in [first[i], limit[i]), for i in [0, n_rows); without sinks that term is 0.
// One KV head; the rows are the (token, query head) pairs that share it. In f32, by spans of kAttentionSpan positions: for each
//   largest = max_p scale*q.K[p],  total = sum_p exp(scale*q.K[p] - largest),  sums = sum_p exp(scale*q.K[p] - largest) V[p]
// and the spans are merged in ascending order, the sink last, so that spans made apart (`partials`) and merged later give the
// same bits. Slots of a block outside [first, limit) may hold anything and are never used; but where v is null, what some row
// of a call sees is multiplied by 0 for the others, and must be finite. REQUIRES: first[i] < limit[i] <= 32 * blocks; n_rows <=
// kMaxAttentionRows; key_dim, value_dim <= kMaxHeadDim; scale > 0; where v is null, value_dim <= key_dim.
inline constexpr size_t kMaxAttentionRows = 64;
inline constexpr size_t kMaxHeadDim = 576;     // DeepSeek's latent of 512 and its rotated 64
inline constexpr size_t kAttentionSpan = 256;  // positions; rows see them from multiples of it on
struct AttentionArgs {
  const float* const* q = nullptr;      // [n_rows] pointers to [key_dim]
  float* const* out = nullptr;          // [n_rows] pointers to [value_dim]; out[i] may be q[i]
  const uint32_t* first = nullptr;      // [n_rows], or null: all 0
  const uint32_t* limit = nullptr;      // [n_rows]
  const float* const* sinks = nullptr;  // [n_rows] pointers to one each, or null: none
  size_t n_rows = 0;
  const KvBlock* blocks = nullptr;
  DType kv_type{};
  size_t key_dim = 0;
  size_t value_dim = 0;
  float scale = 0;
  // Not null: only span `span`, and instead of `out`: row i's sums, largest and total at partials + i * (value_dim + 2). A row
  // that sees nothing of the span gets total = 0. Sinks wait for the merge.
  float* partials = nullptr;
  size_t span = 0;
  uint32_t request = 0;  // identity, for the ledger
  uint32_t layer = 0;
  uint32_t kv_head = 0;
};
using AttentionFn = void (*)(const AttentionArgs& args) noexcept;

// attention_bf16, for rows of a prompt: the same with both factors of each product rounded to bf16, to nearest even and
// denormals to zero,
//   out[i] = sum_p w_p bf16(V[p]) / (sum_p w_p + exp(sink[i] - largest)),  w_p = bf16(exp(scale * bf16(q[i]).bf16(K[p]) -
//   largest))
// largest being that of the spans so far: when a span raises it, the sums before it are multiplied by exp of the difference.
// The sums are f32, of exact products, in any fixed order; the weights of both are the rounded ones, so they add up to one.
// Rounding costs 2^-9 of each factor, independently. What some row of a call sees is multiplied by 0 for the others, and must
// be finite. REQUIRES, beside attention's: keys and values that lie apart, not in F32; no partials; key_dim, value_dim <=
// kMaxBf16HeadDim.
inline constexpr size_t kMaxBf16HeadDim = 256;

// One row's spans merged: with M = max of both, sums = sums * exp(largest - M) + sums' * exp(largest' - M), total likewise;
// then out = sums / (total + exp(sink - largest)). Spans whose total is 0 are passed over.  REQUIRES: one is not.
struct AttentionMergeArgs {
  const float* partials = nullptr;  // span s at partials + s * stride, as attention() wrote them
  size_t stride = 0;                // in floats
  size_t n_spans = 0;
  size_t value_dim = 0;
  float* out = nullptr;         // [value_dim]
  const float* sink = nullptr;  // null: none
};
using AttentionMergeFn = void (*)(const AttentionMergeArgs& args) noexcept;

// out[k] = W[row, k] in f32: an embedding lookup.
struct GetRowArgs {
  PackedMatrix w;
  size_t row = 0;
  float* out = nullptr;
};
using GetRowFn = void (*)(const GetRowArgs& args) noexcept;

// The largest value's index, ties by lower index. REQUIRES: n >= 1.
using ArgmaxFn = size_t (*)(const float* x, size_t n) noexcept;

// One function per row of kernel_list.inc. A table of an instruction set may leave entries null; select.h overlays them, and
// the counts of bf16_rows that are not 0.
struct KernelTable {
#define SISKIN_KERNEL(name, Fn, tolerance) Fn name = nullptr;
#include "kernels/kernel_list.inc"
#undef SISKIN_KERNEL
  Bf16Rows bf16_rows = {};
};

}  // namespace siskin
