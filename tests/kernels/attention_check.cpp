// Attention over KV blocks against a plain softmax in f64. Slots past a row's limit hold NaN, so that using one shows.
#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "formats/blocks/half.h"
#include "tests/kernels/check.h"
#include "tests/kernels/tolerance.h"

namespace siskin::test {
namespace {

constexpr size_t kCases = 500;
constexpr size_t kMaxBlocks = 9;

struct Cache {
  std::vector<std::unique_ptr<GuardedBuffer>> k, v;
  std::vector<KvBlock> blocks;
};

size_t k_index(size_t slot, size_t d, size_t head_dim) { return slot / 16 * head_dim * 16 + d * 16 + slot % 16; }

void fill_cache(Rng& rng, size_t positions, size_t head_dim, Cache& cache) {
  const uint16_t nan = 0x7e00;
  cache.blocks.clear();
  for (size_t first = 0, b = 0; first < positions; first += kKvPositions, ++b) {
    const size_t n = kKvPositions * head_dim;
    const KvBlock block{cache.k[b]->tail_of<uint16_t>(n), cache.v[b]->tail_of<uint16_t>(n)};
    for (size_t p = 0; p < kKvPositions; ++p) {
      for (size_t d = 0; d < head_dim; ++d) {
        const bool used = first + p < positions;
        block.k[k_index(p, d, head_dim)] = used ? f16_from_f32(rng.normal()) : nan;
        block.v[p * head_dim + d] = used ? f16_from_f32(rng.normal()) : nan;
      }
    }
    cache.blocks.push_back(block);
  }
}

void expect_row(const Case& here, const Cache& cache, const std::vector<float>& q, size_t limit, float scale,
                const float* out) {
  const size_t head_dim = q.size();
  std::vector<double> weights(limit);
  double largest = -1e300;
  double smallest = 1e300;
  double largest_abs = 0.0;
  for (size_t p = 0; p < limit; ++p) {
    double dot = 0.0;
    double dot_abs = 0.0;
    for (size_t d = 0; d < head_dim; ++d) {
      const uint16_t half = cache.blocks[p / kKvPositions].k[k_index(p % kKvPositions, d, head_dim)];
      const double term = static_cast<double>(q[d]) * static_cast<double>(f32_from_f16(half));
      dot += term;
      dot_abs += std::fabs(term);
    }
    weights[p] = dot * static_cast<double>(scale);
    largest = std::max(largest, weights[p]);
    smallest = std::min(smallest, weights[p]);
    largest_abs = std::max(largest_abs, dot_abs * static_cast<double>(scale));
  }
  double total = 0.0;
  for (double& w : weights) total += w = std::exp(w - largest);
  // The score's own product with `scale` is one rounding more.
  const double score_error = dot_tolerance(head_dim + 1, largest_abs);
  for (size_t d = 0; d < head_dim; ++d) {
    double want = 0.0;
    double sum_abs = 0.0;
    for (size_t p = 0; p < limit; ++p) {
      const uint16_t half = cache.blocks[p / kKvPositions].v[p % kKvPositions * head_dim + d];
      const double term = weights[p] / total * static_cast<double>(f32_from_f16(half));
      want += term;
      sum_abs += std::fabs(term);
    }
    here.near(d, static_cast<double>(out[d]), want, attention_tolerance(limit, score_error, largest - smallest, sum_abs));
  }
}

}  // namespace

void check(const Kernel& kernel, AttentionFn fn) {
  Rng rng(43);
  Cache cache;
  for (size_t b = 0; b < kMaxBlocks; ++b) {
    cache.k.push_back(std::make_unique<GuardedBuffer>(kKvPositions * kMaxHeadDim * 2));
    cache.v.push_back(std::make_unique<GuardedBuffer>(kKvPositions * kMaxHeadDim * 2));
  }
  GuardedBuffer limit_buffer(1 << 10);
  for (size_t n_case = 0; n_case < kCases; ++n_case) {
    // Small shapes mostly; now and then the largest head, a full set of rows, or many blocks.
    const size_t head_dim = n_case % 50 == 49 ? kMaxHeadDim : 2 * rng.between(1, n_case % 10 == 8 ? 64 : 24);
    const size_t n_rows = n_case % 50 == 48 ? kMaxAttentionRows : rng.between(1, 9);
    const size_t positions = rng.between(1, n_case % 10 == 7 ? kMaxBlocks * kKvPositions : 2 * kKvPositions + 8);
    const float scale = n_case % 4 == 3 ? 1.0f : 1.0f / std::sqrt(static_cast<float>(head_dim));
    fill_cache(rng, positions, head_dim, cache);
    std::vector<std::vector<float>> q(n_rows, std::vector<float>(head_dim));
    std::vector<std::vector<float>> out(n_rows, std::vector<float>(head_dim));
    auto* limit = limit_buffer.tail_of<uint32_t>(n_rows);
    std::vector<const float*> q_rows;
    std::vector<float*> out_rows;
    for (size_t i = 0; i < n_rows; ++i) {
      rng.fill_normal(q[i].data(), head_dim);
      // The last row reaches the end, so that the poison behind it is next to what is used.
      limit[i] = static_cast<uint32_t>(i + 1 == n_rows ? positions : rng.between(1, positions));
      const bool in_place = n_case % 3 == 0;
      if (in_place) out[i] = q[i];
      q_rows.push_back(in_place ? out[i].data() : q[i].data());
      out_rows.push_back(out[i].data());
    }
    const Case here(kernel, "head_dim %zu, %zu rows, %zu positions", head_dim, n_rows, positions);
    const AttentionArgs args{q_rows.data(), out_rows.data(), limit, n_rows, cache.blocks.data(), head_dim, scale, 0, 0, 0};
    fn(args);
    for (size_t i = 0; i < n_rows; ++i) expect_row(here, cache, q[i], limit[i], scale, out[i].data());

    // Each row alone gives the same bits, so that a scheduler may group rows as it likes.
    for (size_t i = 0; i < n_rows; ++i) {
      std::vector<float> alone(head_dim);
      const float* q_row = q[i].data();
      float* out_row = alone.data();
      fn({&q_row, &out_row, limit + i, 1, cache.blocks.data(), head_dim, scale, 0, 0, 0});
      here.same_bytes("a row by itself", alone.data(), out[i].data(), head_dim * sizeof(float));
    }
  }
}

}  // namespace siskin::test
