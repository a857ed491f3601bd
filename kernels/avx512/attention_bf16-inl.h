// attention_bf16 on vdpbf16ps: prefill's rows over blocks whose keys and values lie apart. A span's keys and values are rounded
// to bf16 once for all rows of a call and laid out as that instruction reads them: scores take pairs of a head's elements for
// 16 positions, outputs pairs of positions for 16 columns, and the other factor is a broadcast pair of a row's query or
// weights. Each sum is one chain of pairs in ascending order, and a weight of zero adds nothing, so a row's bits do not depend
// on its company.
//
// Source: Milakov and Gimelshein, "Online normalizer calculation for softmax" (arXiv 1805.02867).
#pragma once

#include "kernels/avx512/lanes_bf16-inl.h"
#include "kernels/generic/attention-inl.h"

namespace {

using siskin::kMaxAttentionRows;
using siskin::kMaxBf16HeadDim;

// 8 rows by 2 vectors are 16 chains of dots, which take 6 cycles each on Zen 4.
constexpr size_t kPairRows = 8;
constexpr size_t kPairLanes = 2 * kStripRows;                 // columns of a step
constexpr size_t kPairStep = 2 * kPairLanes;                  // elements of both vectors of a pair
constexpr size_t kRowPad = kQuantBlock;                       // a cache line apart, so that rows fall into different sets
constexpr size_t kSpanStep = kAttentionSpan / 2 * kPairStep;  // a span's values of 32 columns
static_assert(kPairLanes == kKvPositions);

struct Bf16State {
  alignas(64) uint16_t q[kMaxAttentionRows][kMaxBf16HeadDim + kRowPad];
  alignas(64) uint16_t keys[kAttentionSpan * kMaxBf16HeadDim];    // per block of 32: [pair of elements][32 positions][2]
  alignas(64) uint16_t values[kMaxBf16HeadDim * kAttentionSpan];  // per 32 columns: [pair of positions][32 columns][2]
  alignas(64) float scores[kPairRows][kAttentionSpan + kStripRows];
  alignas(64) uint16_t weights[kPairRows][kAttentionSpan + kRowPad];
  alignas(64) float sums[kMaxAttentionRows * kMaxBf16HeadDim];  // rows lie `columns` apart
  float largest[kMaxAttentionRows], total[kMaxAttentionRows];
  size_t columns = 0;  // value_dim, to a multiple of 32
  size_t key_pairs = 0;
};

// Positions of a span.
struct Range {
  size_t begin = 0, end = 0;
  bool empty() const { return begin >= end; }
};

inline Range seen_by(const AttentionArgs& args, size_t row, size_t span) {
  const size_t origin = span * kAttentionSpan;
  const auto within = [origin](size_t position) {
    const size_t at = position > origin ? position - origin : 0;
    return at < kAttentionSpan ? at : kAttentionSpan;
  };
  const Range range{within(args.first ? args.first[row] : 0), within(args.limit[row])};
  return range.empty() ? Range{} : range;
}

// Of rows [first, end); empty if none sees anything of the span.
inline Range seen_by_any(const AttentionArgs& args, size_t first, size_t end, size_t span) {
  Range all{kAttentionSpan, 0};
  for (size_t r = first; r < end; ++r) {
    const Range range = seen_by(args, r, span);
    if (range.empty()) continue;
    all.begin = range.begin < all.begin ? range.begin : all.begin;
    all.end = range.end > all.end ? range.end : all.end;
  }
  return all.empty() ? Range{} : all;
}

// c[r][0..32) += sum over pairs i of a[r][2i] * b[i][.][0] + a[r][2i+1] * b[i][.][1]. `fresh`: c starts at 0.
[[gnu::noinline]] inline void add_pairs(const uint16_t* a, size_t a_stride, const uint16_t* b, size_t pairs, bool fresh,
                                        float* c, size_t c_stride) {
  __m512 sums[2][kPairRows];
  SISKIN_UNROLL
  for (size_t r = 0; r < kPairRows; ++r) {
    SISKIN_UNROLL
    for (size_t s = 0; s < 2; ++s) {
      sums[s][r] = fresh ? _mm512_setzero_ps() : _mm512_loadu_ps(c + r * c_stride + s * kStripRows);
    }
  }
  for (size_t i = 0; i < pairs; ++i) {
    __m512bh lanes[2];
    __builtin_memcpy(lanes, b + i * kPairStep, sizeof(lanes));
    SISKIN_UNROLL
    for (size_t r = 0; r < kPairRows; ++r) {
      int word;
      __builtin_memcpy(&word, a + r * a_stride + 2 * i, sizeof(word));
      const __m512i both = _mm512_set1_epi32(word);
      __m512bh pair;
      __builtin_memcpy(&pair, &both, sizeof(pair));
      SISKIN_UNROLL
      for (size_t s = 0; s < 2; ++s) sums[s][r] = _mm512_dpbf16_ps(sums[s][r], lanes[s], pair);
    }
  }
  SISKIN_UNROLL
  for (size_t r = 0; r < kPairRows; ++r) {
    SISKIN_UNROLL
    for (size_t s = 0; s < 2; ++s) _mm512_storeu_ps(c + r * c_stride + s * kStripRows, sums[s][r]);
  }
}

inline void store_pair(uint16_t* out, __m512 first, __m512 second) {
  const __m512i words = LanesAvx512Bf16::round_pair(first, second);
  _mm512_store_si512(out, words);
}

// The blocks of positions [begin, end); what else lies in them is never used.
template <class T>
[[gnu::noinline]] void round_keys(const KvBlock* blocks, size_t width, const Range& range, size_t pairs, uint16_t* out) {
  using V = StripAvx512;
  for (size_t b = range.begin / kKvPositions; b * kKvPositions < range.end; ++b) {
    for (size_t strip = 0; strip < kKvStrips; ++strip) {
      const std::byte* values = blocks[b].k + strip * width * kStripRows * T::kBytes;
      uint16_t* pair = out + b * pairs * kPairStep + strip * 2 * kStripRows;
      for (size_t d = 0; d < width; d += 2, pair += kPairStep) {
        const auto scale = T::template k_scale<V>(blocks[b].k, width, strip, d / kQuantBlock);
        const __m512 first = T::template k_values<V>(values + d * kStripRows * T::kBytes, scale);
        const bool both = d + 1 < width;
        store_pair(pair, first, both ? T::template k_values<V>(values + (d + 1) * kStripRows * T::kBytes, scale) : V::zero());
      }
    }
  }
}

// The pairs that hold positions [begin, end); a position beside them counts as zeros, since what lies there may be NaN.
template <class T>
[[gnu::noinline]] void round_values(const KvBlock* blocks, size_t width, const Range& range, size_t columns, uint16_t* out) {
  using V = StripAvx512;
  const auto row = [&](size_t p, size_t d) {
    if (p < range.begin || p >= range.end || d >= width) return V::zero();
    const size_t n = width - d < kStripRows ? width - d : kStripRows;
    return T::template v_values<V>(blocks[p / kKvPositions].v, width, p % kKvPositions, d, n);
  };
  for (size_t p = range.begin / 2 * 2; p < range.end; p += 2) {
    for (size_t d = 0; d < columns; d += kStripRows) {
      uint16_t* pair = out + d / kPairLanes * kSpanStep + p / 2 * kPairStep + d % kPairLanes * 2;
      store_pair(pair, row(p, d), row(p + 1, d));
    }
  }
}

// 2^t for t <= 0 (or barely above): errs by 2.6e-6, an eightieth of what the rounding to bf16 that follows does. Below 2^-126
// it is 0 after that rounding; NaN stays NaN. Minimax of degree 4 on [0, 1).
inline __m512 exp2_for_bf16(__m512 t) {
  const __m512 r = _mm512_reduce_ps(t, _MM_FROUND_TO_NEG_INF);
  __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(0.0135341678f), r, _mm512_set1_ps(0.0520114601f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.241442755f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.693003833f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.00000262f));
  return _mm512_scalef_ps(p, t);
}

// A row's scores of blocks [begin, end) into bf16 weights relative to the largest score so far; its sums so far follow.
template <class A>
inline void weigh_bf16(const AttentionArgs& args, size_t row, size_t at, const Range& range, size_t begin, size_t end,
                       Bf16State& state) {
  float* scores = state.scores[at];
  uint16_t* weights = state.weights[at];
  if (range.empty()) {
    __builtin_memset(weights + begin, 0, (end - begin) * sizeof(uint16_t));
    return;
  }
  for (size_t p = begin; p < range.begin; ++p) scores[p] = kMinusInfinity;
  for (size_t p = range.end; p < end; ++p) scores[p] = kMinusInfinity;
  __m512 best[2] = {_mm512_set1_ps(kMinusInfinity), _mm512_set1_ps(kMinusInfinity)};
  for (size_t p = begin; p < end; p += kKvPositions) {
    SISKIN_UNROLL
    for (size_t s = 0; s < 2; ++s) best[s] = _mm512_max_ps(_mm512_load_ps(scores + p + s * kStripRows), best[s]);  // not NaN
  }
  float largest = max_lanes<A>(Batch<A>(_mm512_max_ps(best[0], best[1])));
  const float factor = args.scale * kLog2OfE;
  const bool begun = state.total[row] != 0.0f;
  if (begun && state.largest[row] >= largest) largest = state.largest[row];
  if (begun && largest != state.largest[row]) {
    const __m512 by = exp2_up_to_128<A>(Batch<A>((state.largest[row] - largest) * factor));
    float* sums = state.sums + row * state.columns;
    for (size_t d = 0; d < state.columns; d += kStripRows) {
      _mm512_store_ps(sums + d, _mm512_mul_ps(_mm512_load_ps(sums + d), by));
    }
    state.total[row] *= _mm512_cvtss_f32(by);
  }
  state.largest[row] = largest;
  const __m512 scale = _mm512_set1_ps(factor), shift = _mm512_set1_ps(largest * factor);
  const __m512i one = _mm512_set1_epi16(0x3f80);
  __m512bh ones;
  __builtin_memcpy(&ones, &one, sizeof(ones));
  __m512 total = _mm512_setzero_ps();
  for (size_t p = begin; p < end; p += kKvPositions) {
    const __m512 low = exp2_for_bf16(_mm512_fmsub_ps(_mm512_load_ps(scores + p), scale, shift));
    const __m512 high = exp2_for_bf16(_mm512_fmsub_ps(_mm512_load_ps(scores + p + kStripRows), scale, shift));
    const __m512bh rounded = _mm512_cvtne2ps_pbh(high, low);
    __builtin_memcpy(weights + p, &rounded, sizeof(rounded));
    total = _mm512_dpbf16_ps(total, rounded, ones);
  }
  state.total[row] += sum_lanes<A>(Batch<A>(total));
}

// The rows from `first` on, at most kPairRows, over a span whose keys and values are rounded.
template <class A>
inline void attend_pairs(const AttentionArgs& args, size_t first, size_t span, Bf16State& state) {
  const size_t end = first + kPairRows < args.n_rows ? first + kPairRows : args.n_rows;
  const Range seen = seen_by_any(args, first, end, span);
  if (seen.empty()) return;
  const size_t blocks_begin = seen.begin / kKvPositions * kKvPositions;
  const size_t blocks_end = (seen.end + kKvPositions - 1) / kKvPositions * kKvPositions;
  constexpr size_t score_stride = sizeof state.scores[0] / sizeof(float), q_stride = sizeof state.q[0] / sizeof(uint16_t);
  for (size_t p = blocks_begin; p < blocks_end; p += kKvPositions) {
    add_pairs(state.q[first], q_stride, state.keys + p / kKvPositions * state.key_pairs * kPairStep, state.key_pairs, true,
              state.scores[0] + p, score_stride);
  }
  for (size_t r = first; r < first + kPairRows; ++r) {
    const Range range = r < end ? seen_by(args, r, span) : Range{};
    weigh_bf16<A>(args, r, r - first, range, blocks_begin, blocks_end, state);
  }
  constexpr size_t weight_stride = sizeof state.weights[0] / sizeof(uint16_t);
  const size_t pairs_begin = seen.begin / 2, pairs = (seen.end + 1) / 2 - pairs_begin;
  for (size_t d = 0; d < state.columns; d += kPairLanes) {
    add_pairs(state.weights[0] + 2 * pairs_begin, weight_stride,
              state.values + d / kPairLanes * kSpanStep + pairs_begin * kPairStep, pairs, false,
              state.sums + first * state.columns + d, state.columns);
  }
}

template <class A, class T>
[[gnu::noinline]] void attend_in_bf16(const AttentionArgs& args) {
  Bf16State state;
  const size_t rows = (args.n_rows + kPairRows - 1) / kPairRows * kPairRows;
  state.columns = (args.value_dim + kPairLanes - 1) / kPairLanes * kPairLanes;
  state.key_pairs = (args.key_dim + 1) / 2;
  for (size_t r = 0; r < args.n_rows; ++r) round_bf16(args.q[r], args.key_dim, state.q[r]);
  __builtin_memset(state.q + args.n_rows, 0, (rows - args.n_rows) * sizeof state.q[0]);
  __builtin_memset(state.sums, 0, rows * state.columns * sizeof(float));
  size_t begin = args.limit[0], end = 0;
  for (size_t r = 0; r < args.n_rows; ++r) {
    const size_t row_begin = args.first ? args.first[r] : 0;
    begin = row_begin < begin ? row_begin : begin;
    end = args.limit[r] > end ? args.limit[r] : end;
    state.total[r] = 0.0f;
  }
  for (size_t span = begin / kAttentionSpan; span * kAttentionSpan < end; ++span) {
    const Range seen = seen_by_any(args, 0, args.n_rows, span);
    if (seen.empty()) continue;
    const KvBlock* blocks = args.blocks + span * (kAttentionSpan / kKvPositions);
    round_keys<T>(blocks, args.key_dim, seen, state.key_pairs, state.keys);
    round_values<T>(blocks, args.value_dim, seen, state.columns, state.values);
    for (size_t first = 0; first < args.n_rows; first += kPairRows) attend_pairs<A>(args, first, span, state);
  }
  for (size_t r = 0; r < args.n_rows; ++r) {
    const float* sink = args.sinks == nullptr ? nullptr : args.sinks[r];
    divide_row<A>(state.sums + r * state.columns, state.largest[r] * args.scale, state.total[r], sink, args.out[r],
                  args.value_dim);
  }
}

template <class A>
void attention_bf16(const AttentionArgs& args) noexcept {
  switch (args.kv_type) {
    case siskin::DType::BF16:
      return attend_in_bf16<A, KvBf16>(args);
    case siskin::DType::Q8_0:
      return attend_in_bf16<A, KvQ8>(args);
    default:
      return attend_in_bf16<A, KvF16>(args);
  }
}

}  // namespace
