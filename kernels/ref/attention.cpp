// The KV cache's blocks: storing a position, and attention over them with the online softmax.
// Source: Milakov and Gimelshein, "Online normalizer calculation for softmax" (arXiv 1805.02867), by blocks of 32 positions.
#include <algorithm>
#include <cmath>
#include <limits>

#include "formats/blocks/half.h"
#include "kernels/ref/bodies.h"

namespace siskin::ref {
namespace {

// K is two strips of 16 positions, [head_dim][16] each.
size_t k_index(size_t slot, size_t d, size_t head_dim) {
  return slot / kStripRows * head_dim * kStripRows + d * kStripRows + slot % kStripRows;
}

void attend_row(const AttentionArgs& args, size_t i) {
  const float* q = args.q[i];
  float largest = -std::numeric_limits<float>::infinity();
  float total = 0.0f;
  float sums[kMaxHeadDim] = {};
  for (size_t first = 0; first < args.limit[i]; first += kKvPositions) {
    const KvBlock& block = args.blocks[first / kKvPositions];
    const size_t n = std::min<size_t>(kKvPositions, args.limit[i] - first);
    float scores[kKvPositions];
    for (size_t p = 0; p < n; ++p) {
      float dot = 0.0f;
      for (size_t d = 0; d < args.head_dim; ++d) dot += q[d] * f32_from_f16(block.k[k_index(p, d, args.head_dim)]);
      scores[p] = dot * args.scale;
    }
    // Rescale what was summed so far to the new maximum; exp(-inf) = 0 for the first block.
    const float new_largest = std::max(largest, *std::max_element(scores, scores + n));
    const float rescale = std::exp(largest - new_largest);
    largest = new_largest;
    total *= rescale;
    for (size_t d = 0; d < args.head_dim; ++d) sums[d] *= rescale;
    for (size_t p = 0; p < n; ++p) {
      const float weight = std::exp(scores[p] - largest);
      total += weight;
      for (size_t d = 0; d < args.head_dim; ++d) sums[d] += weight * f32_from_f16(block.v[p * args.head_dim + d]);
    }
  }
  for (size_t d = 0; d < args.head_dim; ++d) args.out[i][d] = sums[d] / total;  // last, because out[i] may be q[i]
}

}  // namespace

void kv_store(const float* k, const float* v, size_t head_dim, const KvBlock& block, size_t slot) noexcept {
  for (size_t d = 0; d < head_dim; ++d) {
    block.k[k_index(slot, d, head_dim)] = f16_from_f32(k[d]);
    block.v[slot * head_dim + d] = f16_from_f32(v[d]);
  }
}

void attention(const AttentionArgs& args) noexcept {
  for (size_t i = 0; i < args.n_rows; ++i) attend_row(args, i);
}

}  // namespace siskin::ref
