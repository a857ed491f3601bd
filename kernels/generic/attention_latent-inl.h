// Attention over blocks whose values are the beginnings of their keys, and the kernel that chooses between those and keys and
// values that lie apart. Many query heads share such a block (16 to 128), so the lanes of a vector are 16 of them: a latent is
// widened once for 16 rows, its elements are broadcast, and nothing is summed or transposed across lanes. Scores and outputs
// are one product then: out[j][lane] += lanes[i][lane] * latent(i, j), i being an element and j a position, or the reverse.
//
// Source of the absorbed form: DeepSeek-V2 (arXiv 2405.04434), section 2.1.2.
#pragma once

#include "kernels/generic/attention-inl.h"

namespace {

// What the lanes are on their way through the spans. A lane without a row holds zeros as its query.
struct LatentState : SpanState<kStripRows> {
  alignas(64) float q[kMaxHeadDim][kStripRows];
  alignas(64) float weights[kAttentionSpan][kStripRows];  // a span's scores, then exp(score - largest)
  alignas(64) float outputs[kMaxHeadDim][kStripRows];     // sums of weighted values of a span
  alignas(64) float wide[kKvPositions][kMaxHeadDim];      // latents of a block, in f32
};

// out[j] += sum_i lanes[i] * x[i * sum_step + j * out_step] for kOut neighbours j, each one chain in ascending i.
template <class V>
struct LatentTile {
  template <size_t kOut>
  static void run(const float (*lanes)[kStripRows], size_t n, const float* x, size_t sum_step, size_t out_step,
                  float (*out)[kStripRows]) {
    typename V::F acc[kOut];
    SISKIN_UNROLL
    for (size_t j = 0; j < kOut; ++j) acc[j] = V::load_rows(out[j], kStripRows);
    for (size_t i = 0; i < n; ++i) {
      const typename V::F lane = V::load_rows(lanes[i], kStripRows);
      SISKIN_UNROLL
      for (size_t j = 0; j < kOut; ++j) acc[j] = V::fma(lane, V::broadcast(x + i * sum_step + j * out_step), acc[j]);
    }
    SISKIN_UNROLL
    for (size_t j = 0; j < kOut; ++j) V::store(out[j], acc[j], kStripRows);
  }
};

template <class V>
inline void add_latent_products(const float (*lanes)[kStripRows], size_t n, const float* x, size_t sum_step, size_t out_step,
                                float (*out)[kStripRows], size_t n_out) {
  size_t j = 0;
  for (; j + V::kOutputVectors <= n_out; j += V::kOutputVectors) {
    LatentTile<V>::template run<V::kOutputVectors>(lanes, n, x + j * out_step, sum_step, out_step, out + j);
  }
  for (; j < n_out; ++j) LatentTile<V>::template run<1>(lanes, n, x + j * out_step, sum_step, out_step, out + j);
}

// wide[slot] = the first `width` elements of positions [begin, end) of the block that holds them.
template <class V, class T>
inline void widen_latents(const KvBlock& block, size_t key_dim, size_t width, size_t begin, size_t end, LatentState& state) {
  for (size_t slot = begin; slot < end; ++slot) {
    for (size_t d = 0; d < width; d += kStripRows) {
      const size_t n = width - d < kStripRows ? width - d : kStripRows;
      V::store(state.wide[slot] + d, T::template v_values<V>(block.k, key_dim, slot, d, n), n);
    }
  }
}

// The scores of positions [begin, end) of a span into exp(scale * (score - largest)), as powers of two, lane by lane; what a
// row does not see weighs nothing.
template <class A>
inline void weigh_lanes(float scale, size_t rows, size_t begin, size_t end, LatentState& state) {
  constexpr size_t width = Batch<A>::size;
  for (size_t r = 0; r < rows; ++r) {
    const size_t row_begin = state.begin[r] < state.end[r] ? state.begin[r] : end;
    for (size_t p = begin; p < row_begin; ++p) state.weights[p][r] = kMinusInfinity;
    for (size_t p = state.end[r] > begin ? state.end[r] : begin; p < end; ++p) state.weights[p][r] = kMinusInfinity;
  }
  float largest[kStripRows], total[kStripRows];
  for (size_t lane = 0; lane < kStripRows; lane += width) {
    Batch<A> best(kMinusInfinity);
    for (size_t p = begin; p < end; ++p) best = larger_of<A>(Batch<A>::load_aligned(state.weights[p] + lane), best);
    best.store_unaligned(largest + lane);
  }
  for (size_t r = 0; r < rows; ++r) {
    if (state.begin[r] == state.end[r]) largest[r] = 0.0f;  // it sees nothing, and exp(-inf) is 0
  }
  const Batch<A> factor(scale * kLog2OfE);
  for (size_t lane = 0; lane < kStripRows; lane += width) {
    const Batch<A> shift = Batch<A>::load_unaligned(largest + lane) * factor;
    Batch<A> sum(0.0f);
    for (size_t p = begin; p < end; ++p) {
      const Batch<A> e = exp2_up_to_128<A>(xsimd::fms(Batch<A>::load_aligned(state.weights[p] + lane), factor, shift));
      e.store_aligned(state.weights[p] + lane);
      sum += e;
    }
    sum.store_unaligned(total + lane);
  }
  for (size_t r = 0; r < rows; ++r) {
    state.part_largest[r] = largest[r] * scale;
    state.part_total[r] = total[r];
  }
}

template <class V, class A, class T>
struct LatentSpan {
  using State = LatentState;
  static size_t rows_of(size_t left) { return left < kStripRows ? left : kStripRows; }

  static void start(const AttentionArgs& args, size_t first, size_t rows, State& state) {
    for (size_t d = 0; d < args.key_dim; ++d) {
      for (size_t r = 0; r < kStripRows; ++r) state.q[d][r] = r < rows ? args.q[first + r][d] : 0.0f;
    }
  }

  // fn(block, first slot, end, position of the block's first slot in the span) for the blocks of positions [begin, end).
  template <class Fn>
  static void for_blocks(const KvBlock* blocks, size_t begin, size_t end, Fn fn) {
    for (size_t at = begin / kKvPositions * kKvPositions; at < end; at += kKvPositions) {
      fn(blocks[at / kKvPositions], begin > at ? begin - at : 0, end - at < kKvPositions ? end - at : kKvPositions, at);
    }
  }

  static void run(const AttentionArgs& args, size_t first, size_t rows, size_t span, State& state) {
    const size_t keys = args.key_dim, values = args.value_dim;
    size_t begin, end;
    const bool seen = enter_span(args, first, rows, span, state, begin, end);
    __builtin_memset(state.part, 0, rows * values * sizeof(float));
    if (!seen) return;
    const KvBlock* blocks = args.blocks + span * kAttentionSpan / kKvPositions;
    __builtin_memset(state.weights[begin], 0, (end - begin) * sizeof state.weights[0]);
    for_blocks(blocks, begin, end, [&](const KvBlock& block, size_t slot, size_t slots_end, size_t at) {
      widen_latents<V, T>(block, keys, keys, slot, slots_end, state);
      add_latent_products<V>(state.q, keys, state.wide[slot], 1, kMaxHeadDim, state.weights + at + slot, slots_end - slot);
    });
    weigh_lanes<A>(args.scale, rows, begin, end, state);
    __builtin_memset(state.outputs, 0, values * sizeof state.outputs[0]);
    for_blocks(blocks, begin, end, [&](const KvBlock& block, size_t slot, size_t slots_end, size_t at) {
      widen_latents<V, T>(block, keys, values, slot, slots_end, state);
      add_latent_products<V>(state.weights + at + slot, slots_end - slot, state.wide[slot], kMaxHeadDim, 1, state.outputs,
                             values);
    });
    for (size_t d = 0; d < values; ++d) {
      for (size_t r = 0; r < rows; ++r) state.part[r * values + d] = state.outputs[d][r];
    }
  }
};

template <class V, class A, class T>
inline void attend_blocks(const AttentionArgs& args) {
  if (args.blocks->v == nullptr) return attend_all<A, LatentSpan<V, A, T>>(args);
  attend_all<A, HeadSpan<V, A, T>>(args);
}

template <class V, class A>
void attention(const AttentionArgs& args) noexcept {
  switch (args.kv_type) {
    case siskin::DType::F32:
      return attend_blocks<V, A, KvF32>(args);
    case siskin::DType::BF16:
      return attend_blocks<V, A, KvBf16>(args);
    case siskin::DType::Q8_0:
      return attend_blocks<V, A, KvQ8>(args);
    default:
      return attend_blocks<V, A, KvF16>(args);
  }
}

}  // namespace
