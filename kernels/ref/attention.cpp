// The KV cache's blocks: storing a position, and attention over them by spans, merged in order.
// Source: Milakov and Gimelshein, "Online normalizer calculation for softmax" (arXiv 1805.02867).
#include <algorithm>
#include <cmath>
#include <cstring>

#include "formats/blocks/half.h"
#include "kernels/ref/bodies.h"

namespace siskin::ref {
namespace {

size_t scales_of(size_t width) { return (width + kQuantBlock - 1) / kQuantBlock; }

// Where element d of a slot lies among a block's values and, for Q8_0, its scale among the scales behind them.
struct Place {
  size_t value, scale;
};
Place strip_place(size_t slot, size_t d, size_t width) {
  const size_t strip = slot / kStripRows, row = slot % kStripRows;
  return {strip * width * kStripRows + d * kStripRows + row, (strip * scales_of(width) + d / kQuantBlock) * kStripRows + row};
}
Place row_place(size_t slot, size_t d, size_t width) { return {slot * width + d, d / kQuantBlock * kKvPositions + slot}; }

float load_half(const std::byte* p) {
  uint16_t half;
  std::memcpy(&half, p, sizeof half);
  return f32_from_f16(half);
}

float load(DType type, const std::byte* block, Place place, size_t width) {
  if (type == DType::F32) {
    float value;
    std::memcpy(&value, block + place.value * sizeof value, sizeof value);
    return value;
  }
  if (type == DType::Q8_0) {
    const float scale = load_half(block + kKvPositions * width + place.scale * sizeof(uint16_t));
    return static_cast<float>(static_cast<int8_t>(block[place.value])) * scale;
  }
  if (type == DType::F16) return load_half(block + place.value * sizeof(uint16_t));
  uint16_t half;
  std::memcpy(&half, block + place.value * sizeof half, sizeof half);
  return f32_from_bf16(half);
}

template <class PlaceOf>
void store(DType type, const float* x, size_t width, std::byte* block, size_t slot, PlaceOf place_of) {
  float inverse = 0.0f;
  for (size_t d = 0; d < width; ++d) {
    const Place place = place_of(slot, d, width);
    if (type == DType::F32) {
      std::memcpy(block + place.value * sizeof(float), x + d, sizeof(float));
      continue;
    }
    if (type == DType::Q8_0) {
      if (d % kQuantBlock == 0) {
        float largest = 0.0f;
        for (size_t i = d; i < std::min(d + kQuantBlock, width); ++i) largest = std::max(largest, std::fabs(x[i]));
        const uint16_t scale = f16_from_f32(largest / 127.0f);
        std::memcpy(block + kKvPositions * width + place.scale * sizeof scale, &scale, sizeof scale);
        inverse = scale > 0 ? 127.0f / largest : 0.0f;
      }
      const float q = std::nearbyint(x[d] * inverse);
      block[place.value] = static_cast<std::byte>(static_cast<int8_t>(std::fabs(q) <= 127.0f ? q : 0.0f));  // infinities, NaN
      continue;
    }
    const uint16_t half = type == DType::F16 ? f16_from_f32(x[d]) : bf16_from_f32(x[d]);
    std::memcpy(block + place.value * sizeof half, &half, sizeof half);
  }
}

template <class PlaceOf>
void load_row(DType type, const std::byte* block, size_t slot, size_t n, size_t width, float* out, PlaceOf place_of) {
  for (size_t d = 0; d < n; ++d) out[d] = load(type, block, place_of(slot, d, width), width);
}

void load_key(const AttentionArgs& args, size_t position, float* out) {
  const KvBlock& block = args.blocks[position / kKvPositions];
  const size_t slot = position % kKvPositions, width = args.key_dim;
  if (block.v == nullptr) return load_row(args.kv_type, block.k, slot, width, width, out, row_place);
  load_row(args.kv_type, block.k, slot, width, width, out, strip_place);
}

void load_value(const AttentionArgs& args, size_t position, float* out) {
  const KvBlock& block = args.blocks[position / kKvPositions];
  const bool latent = block.v == nullptr;
  load_row(args.kv_type, latent ? block.k : block.v, position % kKvPositions, args.value_dim,
           latent ? args.key_dim : args.value_dim, out, row_place);
}

// A row's sums over some positions, relative to exp(largest).
struct Partial {
  float largest = 0.0f, total = 0.0f;
  float sums[kMaxHeadDim] = {};

  void add(const float* more, float more_largest, float more_total, size_t width) {
    if (more_total == 0.0f) return;
    const float common = total == 0.0f ? more_largest : std::max(largest, more_largest);
    const float old_weight = total == 0.0f ? 0.0f : std::exp(largest - common), new_weight = std::exp(more_largest - common);
    for (size_t d = 0; d < width; ++d) sums[d] = sums[d] * old_weight + more[d] * new_weight;
    total = total * old_weight + more_total * new_weight;
    largest = common;
  }

  void divide(const float* sink, float* out, size_t width) const {
    const float whole = total + (sink == nullptr ? 0.0f : std::exp(*sink - largest));
    for (size_t d = 0; d < width; ++d) out[d] = sums[d] / whole;
  }
};

void attend_span(const AttentionArgs& args, size_t i, size_t span, Partial& part) {
  const size_t begin = std::max<size_t>(args.first ? args.first[i] : 0, span * kAttentionSpan);
  const size_t end = std::min<size_t>(args.limit[i], (span + 1) * kAttentionSpan);
  if (begin >= end) return;
  float scores[kAttentionSpan], row[kMaxHeadDim];
  for (size_t p = begin; p < end; ++p) {
    load_key(args, p, row);
    float dot = 0.0f;
    for (size_t d = 0; d < args.key_dim; ++d) dot += args.q[i][d] * row[d];
    scores[p - begin] = dot * args.scale;
  }
  part.largest = *std::max_element(scores, scores + (end - begin));
  for (size_t p = begin; p < end; ++p) {
    const float weight = std::exp(scores[p - begin] - part.largest);
    part.total += weight;
    load_value(args, p, row);
    for (size_t d = 0; d < args.value_dim; ++d) part.sums[d] += weight * row[d];
  }
}

void attend_row(const AttentionArgs& args, size_t i) {
  if (args.partials != nullptr) {
    Partial part;
    attend_span(args, i, args.span, part);
    float* out = args.partials + i * (args.value_dim + 2);
    std::copy_n(part.sums, args.value_dim, out);
    out[args.value_dim] = part.largest;
    out[args.value_dim + 1] = part.total;
    return;
  }
  Partial sum;
  for (size_t span = 0; span * kAttentionSpan < args.limit[i]; ++span) {
    Partial part;
    attend_span(args, i, span, part);
    sum.add(part.sums, part.largest, part.total, args.value_dim);
  }
  sum.divide(args.sinks == nullptr ? nullptr : args.sinks[i], args.out[i], args.value_dim);  // last, because out[i] may be q[i]
}

void round_to_bf16(float* x, size_t n) {
  uint16_t halves[kMaxBf16HeadDim + kQuantBlock];
  round_bf16(x, n, halves);
  for (size_t d = 0; d < n; ++d) x[d] = f32_from_bf16(halves[d]);
}

// A span's weights are relative to the largest score so far.
void add_span_bf16(const AttentionArgs& args, const float* q, size_t begin, size_t end, Partial& sum) {
  float scores[kAttentionSpan], row[kMaxHeadDim];
  for (size_t p = begin; p < end; ++p) {
    load_key(args, p, row);
    round_to_bf16(row, args.key_dim);
    float dot = 0.0f;
    for (size_t d = 0; d < args.key_dim; ++d) dot += q[d] * row[d];
    scores[p - begin] = dot * args.scale;
  }
  float largest = *std::max_element(scores, scores + (end - begin));
  if (sum.total != 0.0f) {
    largest = std::max(largest, sum.largest);
    const float by = std::exp(sum.largest - largest);
    for (size_t d = 0; d < args.value_dim; ++d) sum.sums[d] *= by;
    sum.total *= by;
  }
  sum.largest = largest;
  for (size_t p = begin; p < end; ++p) {
    float weight = std::exp(scores[p - begin] - largest);
    round_to_bf16(&weight, 1);
    sum.total += weight;
    load_value(args, p, row);
    round_to_bf16(row, args.value_dim);
    for (size_t d = 0; d < args.value_dim; ++d) sum.sums[d] += weight * row[d];
  }
}

}  // namespace

void kv_store(const KvStoreArgs& args) noexcept {
  const bool latent = args.block.v == nullptr;
  store(args.type, args.k, args.key_dim, args.block.k, args.slot, latent ? row_place : strip_place);
  if (!latent) store(args.type, args.v, args.value_dim, args.block.v, args.slot, row_place);
}

void attention(const AttentionArgs& args) noexcept {
  for (size_t i = 0; i < args.n_rows; ++i) attend_row(args, i);
}

void attention_bf16(const AttentionArgs& args) noexcept {
  for (size_t i = 0; i < args.n_rows; ++i) {
    float q[kMaxBf16HeadDim];
    std::copy_n(args.q[i], args.key_dim, q);
    round_to_bf16(q, args.key_dim);
    Partial sum;
    for (size_t span = 0; span * kAttentionSpan < args.limit[i]; ++span) {
      const size_t begin = std::max<size_t>(args.first ? args.first[i] : 0, span * kAttentionSpan);
      const size_t end = std::min<size_t>(args.limit[i], (span + 1) * kAttentionSpan);
      if (begin < end) add_span_bf16(args, q, begin, end, sum);
    }
    sum.divide(args.sinks == nullptr ? nullptr : args.sinks[i], args.out[i], args.value_dim);
  }
}

void attention_merge(const AttentionMergeArgs& args) noexcept {
  Partial sum;
  for (size_t span = 0; span < args.n_spans; ++span) {
    const float* part = args.partials + span * args.stride;
    sum.add(part, part[args.value_dim], part[args.value_dim + 1], args.value_dim);
  }
  sum.divide(args.sink, args.out, args.value_dim);
}

}  // namespace siskin::ref
