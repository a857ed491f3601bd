// Attention of the rows that share a KV head, over the blocks of the KV cache, with the online softmax.
// Up to V::kAttentionRows rows go together, so that each K and V is loaded and widened once for them. A row's sums (over
// head_dim for a score, over positions for an output) are one chain each in ascending order, so a row's result does not depend
// on its company. V is the instruction set's strip vector, A its xsimd architecture.
//
// Source: Milakov and Gimelshein, "Online normalizer calculation for softmax" (arXiv 1805.02867), by blocks of 32 positions.
#pragma once

#include "kernels/generic/elementwise-inl.h"
#include "kernels/generic/matmul_float-inl.h"

namespace {

using siskin::AttentionArgs;
using siskin::kKvPositions;
using siskin::kMaxHeadDim;
using siskin::KvBlock;

constexpr size_t kKvStrips = kKvPositions / kStripRows;

// What is carried from block to block for a group of rows.
template <size_t kAttentionRows>
struct AttentionState {
  float sums[kAttentionRows][kMaxHeadDim];
  float weights[kAttentionRows][kKvPositions];  // a block's scores, then exp(score - largest)
  float largest[kAttentionRows];
  float total[kAttentionRows];
  size_t valid[kAttentionRows];  // positions of this block that the row may see
};

template <class V>
using StateOf = AttentionState<V::kAttentionRows>;

// weights[r][p] = q[r] . K[p] for all 32 slots; those that a row may not see are dropped afterwards.
template <class V>
struct ScoreTile {
  template <size_t kRows>
  [[gnu::noinline]] static void run(const AttentionArgs& args, const KvBlock& block, size_t row, StateOf<V>& state) {
    typename V::F acc[kKvStrips][kRows];
    const float* q[kRows];
    SISKIN_UNROLL
    for (size_t r = 0; r < kRows; ++r) {
      q[r] = args.q[row + r];
      SISKIN_UNROLL
      for (size_t s = 0; s < kKvStrips; ++s) acc[s][r] = V::zero();
    }
    const auto* k = reinterpret_cast<const std::byte*>(block.k);
    const auto* v = reinterpret_cast<const std::byte*>(block.v);
    const size_t strip_bytes = args.head_dim * kStripRows * sizeof(uint16_t);
    for (size_t d = 0; d < args.head_dim; ++d) {
      __builtin_prefetch(v + d * kKvPositions * sizeof(uint16_t));  // V is read next, and is as long as K
      typename V::F wide[kKvStrips];
      SISKIN_UNROLL
      for (size_t s = 0; s < kKvStrips; ++s) wide[s] = V::load_f16(k + s * strip_bytes + d * kStripRows * sizeof(uint16_t));
      SISKIN_UNROLL
      for (size_t r = 0; r < kRows; ++r) {
        const typename V::X qd = V::broadcast(q[r] + d);
        SISKIN_UNROLL
        for (size_t s = 0; s < kKvStrips; ++s) acc[s][r] = V::fma(wide[s], qd, acc[s][r]);
      }
    }
    SISKIN_UNROLL
    for (size_t r = 0; r < kRows; ++r) {
      SISKIN_UNROLL
      for (size_t s = 0; s < kKvStrips; ++s) V::store(state.weights[r] + s * kStripRows, acc[s][r], kStripRows);
    }
  }
};

template <class V>
inline typename V::F load_v(const uint16_t* v, size_t n) {
  if (n == kStripRows) return V::load_f16(reinterpret_cast<const std::byte*>(v));
  uint16_t part[kStripRows] = {};
  __builtin_memcpy(part, v, n * sizeof(uint16_t));
  return V::load_f16(reinterpret_cast<const std::byte*>(part));
}

// sums[r] += weights[r][p] V[p] for p in [begin, end), rows [first, first + kRows) of the group.
template <class V>
struct OutputTile {
  template <size_t kRows>
  [[gnu::noinline]] static void run(const uint16_t* v, size_t head_dim, size_t first, size_t begin, size_t end,
                                    StateOf<V>& state) {
    constexpr size_t columns = V::kOutputVectors / kRows;
    const size_t d = add_columns < kRows, columns == 0 ? 1 : columns > (v, head_dim, first, begin, end, 0, state);
    if (d < head_dim) add<kRows, 1>(v, head_dim, first, begin, end, d, head_dim - d, state);
  }

  // As many columns of 16 together as there are registers for, then half as many; returns where fewer than 16 are left.
  template <size_t kRows, size_t kColumns>
  static inline size_t add_columns(const uint16_t* v, size_t head_dim, size_t first, size_t begin, size_t end, size_t d,
                                   StateOf<V>& state) {
    for (; d + kColumns * kStripRows <= head_dim; d += kColumns * kStripRows) {
      add<kRows, kColumns>(v, head_dim, first, begin, end, d, kStripRows, state);
    }
    if constexpr (kColumns > 1) return add_columns<kRows, kColumns / 2>(v, head_dim, first, begin, end, d, state);
    return d;
  }

  template <size_t kRows, size_t kColumns>
  [[gnu::always_inline]] static inline void add(const uint16_t* v, size_t head_dim, size_t first, size_t begin, size_t end,
                                                size_t d, size_t n, StateOf<V>& state) {
    typename V::F acc[kColumns][kRows];
    SISKIN_UNROLL
    for (size_t r = 0; r < kRows; ++r) {
      SISKIN_UNROLL
      for (size_t c = 0; c < kColumns; ++c) {
        acc[c][r] = V::load(WeightsF32{}, reinterpret_cast<const std::byte*>(state.sums[first + r] + d + c * kStripRows), 0);
      }
    }
    for (size_t p = begin; p < end; ++p) {
      typename V::F wide[kColumns];
      SISKIN_UNROLL
      for (size_t c = 0; c < kColumns; ++c) wide[c] = load_v<V>(v + p * head_dim + d + c * kStripRows, n);
      SISKIN_UNROLL
      for (size_t r = 0; r < kRows; ++r) {
        const typename V::X weight = V::broadcast(state.weights[first + r] + p);
        SISKIN_UNROLL
        for (size_t c = 0; c < kColumns; ++c) acc[c][r] = V::fma(wide[c], weight, acc[c][r]);
      }
    }
    SISKIN_UNROLL
    for (size_t r = 0; r < kRows; ++r) {
      SISKIN_UNROLL
      for (size_t c = 0; c < kColumns; ++c) V::store(state.sums[first + r] + d + c * kStripRows, acc[c][r], kStripRows);
    }
  }
};

template <class Tile, size_t kRows, class... Args>
inline void run_attention_rows(size_t rows, Args&&... args) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return run_attention_rows<Tile, kRows - 1>(rows, args...);
  }
  Tile::template run<kRows>(args...);
}

template <class A>
inline void scale_row(float* x, size_t n, float by) {
  map_row<A>(x, x, n, 0.0f, [&](const Batch<A>& v, size_t, size_t) { return v * Batch<A>(by); });
}

template <class A>
inline float exp_one(float x) {
  exp_row<A>(&x, 1, 0.0f);
  return x;
}

// Turns row r's scores into weights relative to the new maximum, and rescales what was summed to it.
template <class A, class State>
inline void weigh_row(const AttentionArgs& args, size_t r, State& state) {
  float* weights = state.weights[r];
  const size_t valid = state.valid[r];
  if (valid == 0) return;
  scale_row<A>(weights, valid, args.scale);
  const float block_max = row_max<A>(weights, valid);
  if (block_max > state.largest[r]) {
    const float rescale = exp_one<A>(state.largest[r] - block_max);
    scale_row<A>(state.sums[r], args.head_dim, rescale);
    state.total[r] *= rescale;
    state.largest[r] = block_max;
  }
  state.total[r] += exp_row<A>(weights, valid, state.largest[r]);
}

// The positions that all rows see go together; then each row's own rest.
template <class V>
inline void add_outputs(const AttentionArgs& args, const KvBlock& block, size_t rows, StateOf<V>& state) {
  size_t common = kKvPositions;
  for (size_t r = 0; r < rows; ++r) common = state.valid[r] < common ? state.valid[r] : common;
  if (common > 0) {
    run_attention_rows<OutputTile<V>, V::kAttentionRows>(rows, block.v, args.head_dim, size_t{0}, size_t{0}, common, state);
  }
  for (size_t r = 0; r < rows; ++r) {
    if (state.valid[r] > common) OutputTile<V>::template run<1>(block.v, args.head_dim, r, common, state.valid[r], state);
  }
}

template <class V, class A>
inline void attend_rows(const AttentionArgs& args, size_t first, size_t rows, StateOf<V>& state) {
  size_t limit = 0;
  for (size_t r = 0; r < rows; ++r) {
    limit = args.limit[first + r] > limit ? args.limit[first + r] : limit;
    state.largest[r] = kMinusInfinity;
    state.total[r] = 0.0f;
    for (float& sum : state.sums[r]) sum = 0.0f;
  }
  for (size_t begin = 0; begin < limit; begin += kKvPositions) {
    const KvBlock& block = args.blocks[begin / kKvPositions];
    run_attention_rows<ScoreTile<V>, V::kAttentionRows>(rows, args, block, first, state);
    for (size_t r = 0; r < rows; ++r) {
      const size_t left = args.limit[first + r] > begin ? args.limit[first + r] - begin : 0;
      state.valid[r] = left < kKvPositions ? left : kKvPositions;
      weigh_row<A>(args, r, state);
    }
    add_outputs<V>(args, block, rows, state);
  }
  for (size_t r = 0; r < rows; ++r) {  // last, because out[i] may be q[i]
    const Batch<A> inverse(1.0f / state.total[r]);
    map_row<A>(state.sums[r], args.out[first + r], args.head_dim, 0.0f,
               [&](const Batch<A>& v, size_t, size_t) { return v * inverse; });
  }
}

template <class V, class A>
void attention(const AttentionArgs& args) noexcept {
  StateOf<V> state;
  for (size_t first = 0; first < args.n_rows;) {
    const size_t rows = even_share(args.n_rows - first, V::kAttentionRows);
    attend_rows<V, A>(args, first, rows, state);
    first += rows;
  }
}

}  // namespace
