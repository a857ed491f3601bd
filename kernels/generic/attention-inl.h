// Attention of the rows that share a KV head, over spans of the KV cache's blocks: scores, softmax and weighted sums of a span,
// then the spans merged in order. Up to V::kAttentionRows rows go together, so that each K and V is loaded and widened once for
// them. A row's sums (over head_dim for a score, over a span's positions for an output) are one chain each in ascending order,
// so a row's result does not depend on its company. V is the instruction set's strip vector, A its xsimd architecture, T one of
// the cache types of kv_types-inl.h.
//
// Source: Milakov and Gimelshein, "Online normalizer calculation for softmax" (arXiv 1805.02867).
#pragma once

#include "kernels/generic/elementwise-inl.h"
#include "kernels/generic/kv_types-inl.h"

namespace {

using siskin::AttentionArgs;
using siskin::AttentionMergeArgs;
using siskin::kAttentionSpan;
using siskin::kMaxHeadDim;
using siskin::KvBlock;

constexpr size_t kKvStrips = kKvPositions / kStripRows;

// A group of rows on their way through the spans, what every body needs. Rows of `sums` and `part` lie value_dim apart.
template <size_t kRows>
struct SpanState {
  static constexpr size_t kMostRows = kRows;
  alignas(64) float part[kRows * kMaxHeadDim];  // of this span
  alignas(64) float sums[kRows * kMaxHeadDim];  // of the spans before it
  float part_largest[kRows], part_total[kRows];
  float largest[kRows], total[kRows];
  size_t begin[kRows], end[kRows];  // positions of this span that the row may see
};

template <size_t kRows>
struct AttentionState : SpanState<kRows> {
  alignas(64) float weights[kRows][kAttentionSpan];  // a span's scores, then exp(score - largest)
};

template <class V>
using StateOf = AttentionState<V::kAttentionRows>;  // of keys and values that lie apart

// weights[r][p] = q[r] . K[p] for the 32 slots of a block; those that a row may not see are dropped afterwards.
template <class V, class T>
struct ScoreTile {
  template <size_t kRows>
  [[gnu::noinline]] static void run(const AttentionArgs& args, const KvBlock* block, size_t row,
                                    float (*weights)[kAttentionSpan]) {
    constexpr size_t strips = kRows <= V::kScoreRows ? kKvStrips : 1;  // one at a time where both would not fit the registers
    const float* q[kRows];
    SISKIN_UNROLL
    for (size_t r = 0; r < kRows; ++r) q[r] = args.q[row + r];
    for (size_t strip = 0; strip < kKvStrips; strip += strips) {
      typename V::F acc[strips][kRows];
      SISKIN_UNROLL
      for (size_t s = 0; s < strips; ++s) {
        SISKIN_UNROLL
        for (size_t r = 0; r < kRows; ++r) acc[s][r] = V::zero();
      }
      add_products(block, args.key_dim, args.value_dim, strip, q, acc);
      SISKIN_UNROLL
      for (size_t r = 0; r < kRows; ++r) {
        SISKIN_UNROLL
        for (size_t s = 0; s < strips; ++s) V::store(weights[r] + (strip + s) * kStripRows, acc[s][r], kStripRows);
      }
    }
  }

  template <size_t kStrips, size_t kRows>
  [[gnu::always_inline]] static inline void add_products(const KvBlock* block, size_t key_dim, size_t value_dim, size_t strip,
                                                         const float* const (&q)[kRows], typename V::F (&acc)[kStrips][kRows]) {
    // V is read next, and is about as long as K.
    const std::byte* ahead = block->v + strip * value_dim * kStripRows * T::kBytes;
    for (size_t begin = 0; begin < key_dim; begin += kQuantBlock) {
      const size_t end = key_dim - begin < kQuantBlock ? key_dim : begin + kQuantBlock;
      typename T::template KScale<V> scale[kStrips];
      SISKIN_UNROLL
      for (size_t s = 0; s < kStrips; ++s) scale[s] = T::template k_scale<V>(block->k, key_dim, strip + s, begin / kQuantBlock);
      for (size_t d = begin; d < end; ++d) {
        __builtin_prefetch(ahead + d * kStrips * kStripRows * T::kBytes);
        typename V::F wide[kStrips];
        SISKIN_UNROLL
        for (size_t s = 0; s < kStrips; ++s) {
          wide[s] = T::template k_values<V>(block->k + ((strip + s) * key_dim + d) * kStripRows * T::kBytes, scale[s]);
        }
        SISKIN_UNROLL
        for (size_t r = 0; r < kRows; ++r) {
          const typename V::X qd = V::broadcast(q[r] + d);
          SISKIN_UNROLL
          for (size_t s = 0; s < kStrips; ++s) acc[s][r] = V::fma(wide[s], qd, acc[s][r]);
        }
      }
    }
  }
};

// part[r] += weights[r][p] V[p] for p in [begin, end) of the span, rows [first, first + kRows) of the group.
template <class V, class T>
struct OutputTile {
  template <size_t kRows>
  [[gnu::noinline]] static void run(const KvBlock* blocks, size_t value_dim, size_t first, size_t begin, size_t end,
                                    StateOf<V>& state) {
    constexpr size_t columns = V::kOutputVectors / kRows < 4 ? V::kOutputVectors / kRows : 4;
    size_t d = 0;
    for (; d + columns * kStripRows <= value_dim; d += columns * kStripRows) {
      add<kRows, columns>(blocks, value_dim, first, begin, end, d, kStripRows, state);
    }
    for (; d < value_dim; d += kStripRows) {
      add<kRows, 1>(blocks, value_dim, first, begin, end, d, value_dim - d < kStripRows ? value_dim - d : kStripRows, state);
    }
  }

  template <size_t kRows, size_t kColumns>
  [[gnu::always_inline]] static inline void add(const KvBlock* blocks, size_t value_dim, size_t first, size_t begin, size_t end,
                                                size_t d, size_t n, StateOf<V>& state) {
    typename V::F acc[kColumns][kRows];
    float* part = state.part + first * value_dim + d;
    SISKIN_UNROLL
    for (size_t r = 0; r < kRows; ++r) {
      SISKIN_UNROLL
      for (size_t c = 0; c < kColumns; ++c) acc[c][r] = V::load_rows(part + r * value_dim + c * kStripRows, n);
    }
    for (size_t p = begin; p < end;) {
      const KvBlock& block = blocks[p / kKvPositions];
      const size_t block_end = (p / kKvPositions + 1) * kKvPositions;
      for (const size_t stop = block_end < end ? block_end : end; p < stop; ++p) {
        typename V::F wide[kColumns];
        SISKIN_UNROLL
        for (size_t c = 0; c < kColumns; ++c) {
          wide[c] = T::template v_values<V>(block.v, value_dim, p % kKvPositions, d + c * kStripRows, n);
        }
        SISKIN_UNROLL
        for (size_t r = 0; r < kRows; ++r) {
          const typename V::X weight = V::broadcast(state.weights[first + r] + p);
          SISKIN_UNROLL
          for (size_t c = 0; c < kColumns; ++c) acc[c][r] = V::fma(wide[c], weight, acc[c][r]);
        }
      }
    }
    SISKIN_UNROLL
    for (size_t r = 0; r < kRows; ++r) {
      SISKIN_UNROLL
      for (size_t c = 0; c < kColumns; ++c) V::store(part + r * value_dim + c * kStripRows, acc[c][r], n);
    }
  }
};

// Tile::run<n> for a power of two n of rows.
template <class Tile, size_t kRows, class... Args>
inline void run_attention_rows(size_t rows, Args&&... args) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return run_attention_rows<Tile, kRows / 2>(rows, args...);
  }
  Tile::template run<kRows>(args...);
}

// The strips of 16 positions that hold what row r sees of this span.
template <class State>
inline size_t first_strip(const State& state, size_t r) {
  return state.begin[r] / kStripRows * kStripRows;
}
template <class State>
inline size_t strips_end(const State& state, size_t r) {
  return (state.end[r] + kStripRows - 1) / kStripRows * kStripRows;
}

// The largest of row r's scores; those beside what it sees become -inf.
template <class A, class State>
inline float largest_score(size_t r, State& state) {
  constexpr size_t width = Batch<A>::size;
  float* scores = state.weights[r];
  const size_t begin = first_strip(state, r), end = strips_end(state, r);
  for (size_t p = begin; p < state.begin[r]; ++p) scores[p] = kMinusInfinity;
  for (size_t p = state.end[r]; p < end; ++p) scores[p] = kMinusInfinity;
  Batch<A> best[4] = {Batch<A>(kMinusInfinity), Batch<A>(kMinusInfinity), Batch<A>(kMinusInfinity), Batch<A>(kMinusInfinity)};
  size_t p = begin;
  for (; p + 4 * width <= end; p += 4 * width) {
    SISKIN_UNROLL
    for (size_t c = 0; c < 4; ++c) best[c] = larger_of<A>(Batch<A>::load_aligned(scores + p + c * width), best[c]);
  }
  for (; p < end; p += width) best[0] = larger_of<A>(Batch<A>::load_aligned(scores + p), best[0]);
  return max_lanes<A>(larger_of<A>(larger_of<A>(best[0], best[1]), larger_of<A>(best[2], best[3])));
}

// Row r's scores into exp(scale * (score - largest)), as powers of two; returns their sum.
template <class A, class State>
inline float weigh_row(float scale, float largest, size_t r, State& state) {
  constexpr size_t width = Batch<A>::size;
  float* weights = state.weights[r];
  const Batch<A> factor(scale * kLog2OfE), shift(largest * (scale * kLog2OfE));
  Batch<A> total(0.0f);
  for (size_t p = first_strip(state, r); p < strips_end(state, r); p += width) {
    const Batch<A> e = exp2_up_to_128<A>(xsimd::fms(Batch<A>::load_aligned(weights + p), factor, shift));
    e.store_aligned(weights + p);
    total += e;
  }
  return sum_lanes<A>(total);
}

// Row after row in each pass, so that one row's fold of lanes waits beside the next row's vectors.
template <class A, class State>
inline void weigh_rows(float scale, size_t rows, State& state) {
  for (size_t r = 0; r < rows; ++r) {
    if (state.begin[r] < state.end[r]) state.part_largest[r] = largest_score<A>(r, state);
  }
  for (size_t r = 0; r < rows; ++r) {
    if (state.begin[r] == state.end[r]) continue;
    state.part_total[r] = weigh_row<A>(scale, state.part_largest[r], r, state);
    state.part_largest[r] *= scale;
  }
}

// The positions that all rows see go together; what only some see goes row by row before and after them.
template <class V, class T>
inline void add_outputs(const KvBlock* blocks, size_t value_dim, size_t rows, StateOf<V>& state) {
  size_t begin = 0, end = kAttentionSpan;
  for (size_t r = 0; r < rows; ++r) {
    begin = state.begin[r] > begin ? state.begin[r] : begin;
    end = state.end[r] < end ? state.end[r] : end;
  }
  if (begin >= end) begin = end = 0;
  const auto alone = [&](size_t r, size_t from, size_t to) {
    if (from < to) OutputTile<V, T>::template run<1>(blocks, value_dim, r, from, to, state);
  };
  for (size_t r = 0; r < rows && begin < end; ++r) alone(r, state.begin[r], begin);
  if (begin < end) {
    run_attention_rows<OutputTile<V, T>, V::kAttentionRows>(rows, blocks, value_dim, size_t{0}, begin, end, state);
  }
  for (size_t r = 0; r < rows; ++r) alone(r, end > state.begin[r] ? end : state.begin[r], state.end[r]);
}

// Which positions of a span each row sees, and whether any sees one: [begin, end) is all of theirs.
template <class State>
inline bool enter_span(const AttentionArgs& args, size_t first, size_t rows, size_t span, State& state, size_t& begin,
                       size_t& end) {
  const size_t origin = span * kAttentionSpan;
  const auto within = [&](size_t position) {
    const size_t at = position > origin ? position - origin : 0;
    return at < kAttentionSpan ? at : kAttentionSpan;
  };
  begin = kAttentionSpan;
  end = 0;
  for (size_t r = 0; r < rows; ++r) {
    state.begin[r] = within(args.first ? args.first[first + r] : 0);
    state.end[r] = within(args.limit[first + r]);
    state.part_total[r] = 0.0f;
    if (state.begin[r] >= state.end[r]) {
      state.begin[r] = state.end[r] = 0;
      continue;
    }
    begin = state.begin[r] < begin ? state.begin[r] : begin;
    end = state.end[r] > end ? state.end[r] : end;
  }
  return begin < end;
}

// A span's scores, weights and sums, for rows [first, first + rows).
template <class V, class A, class T>
struct HeadSpan {
  using State = AttentionState<V::kAttentionRows>;
  static size_t rows_of(size_t left) {
    size_t rows = V::kAttentionRows;
    while (rows > left) rows /= 2;
    return rows;
  }
  static void start(const AttentionArgs&, size_t, size_t, State&) {}
  static void run(const AttentionArgs& args, size_t first, size_t rows, size_t span, State& state) {
    size_t begin, end;
    const bool seen = enter_span(args, first, rows, span, state, begin, end);
    __builtin_memset(state.part, 0, rows * args.value_dim * sizeof(float));
    if (!seen) return;
    const KvBlock* blocks = args.blocks + span * kAttentionSpan / kKvPositions;
    for (size_t p = begin / kKvPositions * kKvPositions; p < end; p += kKvPositions) {
      // One row's scores of a block, and the rows after it, start at column p.
      auto* weights = reinterpret_cast<float(*)[kAttentionSpan]>(&state.weights[0][p]);
      run_attention_rows<ScoreTile<V, T>, V::kAttentionRows>(rows, args, blocks + p / kKvPositions, first, weights);
    }
    weigh_rows<A>(args.scale, rows, state);
    add_outputs<V, T>(blocks, args.value_dim, rows, state);
  }
};

// sums, largest and total of the spans so far, joined by one more.
template <class A>
inline void merge_span(const float* part, float part_largest, float part_total, size_t width, float* sums, float& largest,
                       float& total) {
  if (part_total == 0.0f) return;
  if (total == 0.0f) {
    __builtin_memcpy(sums, part, width * sizeof(float));
    largest = part_largest;
    total = part_total;
    return;
  }
  const float common = part_largest > largest ? part_largest : largest;
  const Batch<A> old_weight = exp_of<A>(Batch<A>(largest - common)), new_weight = exp_of<A>(Batch<A>(part_largest - common));
  map_row<A>(sums, sums, width, 0.0f, [&](const Batch<A>& v, size_t d, size_t n) {
    return xsimd::fma(v, old_weight, load_row<A>(part + d, n) * new_weight);
  });
  float lanes[Batch<A>::size];
  xsimd::fma(Batch<A>(total), old_weight, Batch<A>(part_total) * new_weight).store_unaligned(lanes);
  total = lanes[0];
  largest = common;
}

// sums / (total + exp(sink - largest)); without a sink, sums / total.
template <class A>
inline void divide_row(const float* sums, float largest, float total, const float* sink, float* out, size_t width) {
  if (sink != nullptr) {
    float lanes[Batch<A>::size];
    exp_of<A>(Batch<A>(*sink - largest)).store_unaligned(lanes);
    total += lanes[0];
  }
  const Batch<A> inverse(1.0f / total);
  map_row<A>(sums, out, width, 0.0f, [&](const Batch<A>& v, size_t, size_t) { return v * inverse; });
}

// Span: how the scores and sums of a span are made (HeadSpan).
template <class A, class Span>
inline void attend_rows(const AttentionArgs& args, size_t first, size_t rows, typename Span::State& state) {
  const size_t width = args.value_dim;
  Span::start(args, first, rows, state);
  if (args.partials != nullptr) {
    Span::run(args, first, rows, args.span, state);
    for (size_t r = 0; r < rows; ++r) {
      float* out = args.partials + (first + r) * (width + 2);
      __builtin_memcpy(out, state.part + r * width, width * sizeof(float));
      out[width] = state.part_largest[r];
      out[width + 1] = state.part_total[r];
    }
    return;
  }
  size_t begin = args.limit[first], end = 0;
  for (size_t r = 0; r < rows; ++r) {
    const size_t row_begin = args.first ? args.first[first + r] : 0;
    begin = row_begin < begin ? row_begin : begin;
    end = args.limit[first + r] > end ? args.limit[first + r] : end;
    state.total[r] = 0.0f;
  }
  for (size_t span = begin / kAttentionSpan; span * kAttentionSpan < end; ++span) {
    Span::run(args, first, rows, span, state);
    for (size_t r = 0; r < rows; ++r) {
      merge_span<A>(state.part + r * width, state.part_largest[r], state.part_total[r], width, state.sums + r * width,
                    state.largest[r], state.total[r]);
    }
  }
  // Last, because out[i] may be q[i].
  for (size_t r = 0; r < rows; ++r) {
    const float* sink = args.sinks == nullptr ? nullptr : args.sinks[first + r];
    divide_row<A>(state.sums + r * width, state.largest[r], state.total[r], sink, args.out[first + r], width);
  }
}

template <class A, class Span>
[[gnu::noinline]] void attend_all(const AttentionArgs& args) {
  typename Span::State state;
  for (size_t first = 0, rows; first < args.n_rows; first += rows) {
    rows = Span::rows_of(args.n_rows - first);
    attend_rows<A, Span>(args, first, rows, state);
  }
}

template <class A>
void attention_merge(const AttentionMergeArgs& args) noexcept {
  float sums[kMaxHeadDim];
  float largest = 0.0f, total = 0.0f;
  for (size_t span = 0; span < args.n_spans; ++span) {
    const float* part = args.partials + span * args.stride;
    merge_span<A>(part, part[args.value_dim], part[args.value_dim + 1], args.value_dim, sums, largest, total);
  }
  divide_row<A>(sums, largest, total, args.sink, args.out, args.value_dim);
}

}  // namespace
