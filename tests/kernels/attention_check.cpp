// Attention over KV blocks of every type against a plain softmax in f64: keys and values of different widths, values that are
// the beginnings of their keys, sinks. Slots outside a row's positions hold NaN, so that using one shows. Spans made apart and
// merged give the same bits as one call. attention_bf16 against the same softmax of rounded factors.
#include <algorithm>
#include <cmath>
#include <memory>
#include <string_view>
#include <vector>

#include "formats/blocks/half.h"
#include "tests/kernels/check.h"
#include "tests/kernels/kv_values.h"
#include "tests/kernels/tolerance.h"

namespace siskin::test {
namespace {

constexpr size_t kCases = 1200;
constexpr size_t kMaxBlocks = 20;  // of 32 positions: two spans and a half

struct Cache {
  DType type{};
  size_t key_dim = 0, value_dim = 0;
  bool latent = false;  // values are the beginnings of the keys
  std::vector<std::unique_ptr<GuardedBuffer>> k, v;
  std::vector<KvBlock> blocks;

  Cache() {
    for (size_t b = 0; b < kMaxBlocks; ++b) {
      k.push_back(std::make_unique<GuardedBuffer>(kKvPositions * kMaxHeadDim * 4));
      v.push_back(std::make_unique<GuardedBuffer>(kKvPositions * kMaxHeadDim * 4));
    }
  }

  // Positions [first, end) hold values, every other slot NaN (all bits set are one in each type; a Q8_0 block's scale).
  void fill(Rng& rng, size_t first, size_t end, bool values_are_one = false) {
    blocks.clear();
    const size_t k_bytes = kKvPositions * kv_row_bytes(type, key_dim), v_bytes = kKvPositions * kv_row_bytes(type, value_dim);
    const KvStoreFn store = available_isas().front().complete.kv_store;
    std::vector<float> x(key_dim + value_dim);
    for (size_t b = 0; b * kKvPositions < end; ++b) {
      blocks.push_back({k[b]->tail_of<std::byte>(k_bytes), latent ? nullptr : v[b]->tail_of<std::byte>(v_bytes)});
      std::memset(blocks[b].k, 0xff, k_bytes);
      if (!latent) std::memset(blocks[b].v, 0xff, v_bytes);
      for (size_t p = std::max(first, b * kKvPositions); p < std::min(end, (b + 1) * kKvPositions); ++p) {
        rng.fill_normal(x.data(), x.size());
        if (values_are_one) std::fill(x.begin() + static_cast<std::ptrdiff_t>(key_dim), x.end(), 1.0f);
        store({type, x.data(), x.data() + key_dim, key_dim, value_dim, blocks[b], p % kKvPositions});
      }
    }
  }

  double k_at(size_t p, size_t d) const {
    if (latent) return row_at(blocks[p / kKvPositions].k, p, d, key_dim);
    const size_t slot = p % kKvPositions;
    return static_cast<double>(
        kv_value(type, blocks[p / kKvPositions].k, k_index(slot, d, key_dim), k_scale_index(slot, d, key_dim), key_dim));
  }
  double v_at(size_t p, size_t d) const { return latent ? k_at(p, d) : row_at(blocks[p / kKvPositions].v, p, d, value_dim); }
  double row_at(const std::byte* block, size_t p, size_t d, size_t width) const {
    const size_t slot = p % kKvPositions;
    return static_cast<double>(kv_value(type, block, v_index(slot, d, width), v_scale_index(slot, d, width), width));
  }
};

// Rows of queries with the positions that each may see.
struct Queries {
  std::vector<std::vector<float>> q, out;
  std::vector<float> sinks;  // empty: none
  std::vector<uint32_t> first, limit;
  std::vector<const float*> q_rows, sink_rows;
  std::vector<float*> out_rows;
  float scale = 0;

  Queries(Rng& rng, size_t n_case, size_t n_rows, size_t begin, size_t end, const Cache& cache)
      : q(n_rows, std::vector<float>(cache.key_dim)),
        out(n_rows, std::vector<float>(cache.value_dim)),
        scale(n_case % 4 == 3 ? 1.0f : 1.0f / std::sqrt(static_cast<float>(cache.key_dim))) {
    const bool in_place = n_case % 3 == 0;
    for (size_t i = 0; i < n_rows; ++i) {
      rng.fill_normal(q[i].data(), q[i].size());
      // One row begins where the values do and the last ends with them, so that the poison beside them is next to what is used.
      first.push_back(static_cast<uint32_t>(i == 0 ? begin : rng.between(begin, end - 1)));
      limit.push_back(static_cast<uint32_t>(i + 1 == n_rows ? end : rng.between(first[i] + 1, end)));
      if (n_case % 5 < 2) sinks.push_back(static_cast<float>(rng.between(0, 12)) - 4.0f);
      if (in_place) {
        out[i] = q[i];
        out[i].resize(std::max(cache.key_dim, cache.value_dim));
      }
      q_rows.push_back(in_place ? out[i].data() : q[i].data());
      out_rows.push_back(out[i].data());
    }
    for (const float& sink : sinks) sink_rows.push_back(&sink);
  }

  AttentionArgs args(const Cache& cache) const {
    AttentionArgs args;
    args.q = q_rows.data();
    args.out = out_rows.data();
    args.first = first.data();
    args.limit = limit.data();
    args.sinks = sinks.empty() ? nullptr : sink_rows.data();
    args.n_rows = q.size();
    args.blocks = cache.blocks.data();
    args.kv_type = cache.type;
    args.key_dim = cache.key_dim;
    args.value_dim = cache.value_dim;
    args.scale = scale;
    return args;
  }
};

double exactly(double x) { return x; }
double in_bf16(double x) {
  const auto narrow = static_cast<float>(x);  // of a value that is one
  return static_cast<double>(f32_from_bf16(bf16_from_f32(std::fabs(narrow) < 0x1p-126f ? 0.0f : narrow)));
}

// `round`: what becomes of queries, keys and values before they are multiplied; `tolerance`: of an output.
using Rounding = double (*)(double);
using Tolerance = double (*)(size_t n, double score_error, double range, double sum_abs);

void expect_row(const Case& here, const Cache& cache, const Queries& rows, size_t i, Rounding round = exactly,
                Tolerance tolerance = attention_tolerance) {
  const size_t first = rows.first[i], n = rows.limit[i] - first;
  const double scale = static_cast<double>(rows.scale);
  std::vector<double> weights(n);
  double largest = -1e300, smallest = 1e300, largest_abs = 0.0;
  for (size_t p = 0; p < n; ++p) {
    double dot = 0.0, dot_abs = 0.0;
    for (size_t d = 0; d < cache.key_dim; ++d) {
      const double term = round(static_cast<double>(rows.q[i][d])) * round(cache.k_at(first + p, d));
      dot += term;
      dot_abs += std::fabs(term);
    }
    weights[p] = dot * scale;
    largest = std::max(largest, weights[p]);
    smallest = std::min(smallest, weights[p]);
    largest_abs = std::max(largest_abs, dot_abs * scale);
  }
  double total = 0.0;
  for (double& w : weights) total += w = std::exp(w - largest);
  if (!rows.sinks.empty()) total += std::exp(static_cast<double>(rows.sinks[i]) - largest);
  // Beside the dot: a Q8_0 key's own product, that of score and scale, and a span's largest times scale, for exp and for the
  // merge.
  const double score_error = dot_tolerance(cache.key_dim + 4, largest_abs);
  for (size_t d = 0; d < cache.value_dim; ++d) {
    double want = 0.0, sum_abs = 0.0;
    for (size_t p = 0; p < n; ++p) {
      const double term = weights[p] / total * round(cache.v_at(first + p, d));
      want += term;
      sum_abs += std::fabs(term);
    }
    here.near(d, static_cast<double>(rows.out[i][d]), want, tolerance(n, score_error, largest - smallest, sum_abs));
  }
}

// Small shapes mostly; now and then the largest head, a full set of rows, or several spans. A third each: keys and values of
// one width, of two, and values that begin their keys.
void choose_shape(Rng& rng, size_t n_case, Cache& cache) {
  const auto width = [&] { return rng.between(1, n_case % 10 == 8 ? 128 : 48); };
  cache.latent = n_case % 3 == 2;
  cache.key_dim = n_case % 50 == 49 ? kMaxHeadDim : width();
  cache.value_dim = n_case % 3 == 0 ? cache.key_dim : n_case % 50 == 49 ? 512 : width();
  if (cache.latent) cache.value_dim = std::min(cache.value_dim, cache.key_dim);
}
size_t end_of(Rng& rng, size_t n_case) {
  return rng.between(1, n_case % 10 == 7 ? kMaxBlocks * kKvPositions : 2 * kKvPositions + 8);
}

// Each row alone gives the same bits, so that a scheduler may group rows as it likes.
void expect_rows_alone(const Case& here, const Cache& cache, const Queries& rows, AttentionFn fn) {
  for (size_t i = 0; i < rows.q.size(); ++i) {
    std::vector<float> alone(cache.value_dim);
    const float* q_row = rows.q[i].data();
    float* out_row = alone.data();
    AttentionArgs args = rows.args(cache);
    args.q = &q_row;
    args.out = &out_row;
    args.first = &rows.first[i];
    args.limit = &rows.limit[i];
    if (args.sinks != nullptr) args.sinks += i;
    args.n_rows = 1;
    fn(args);
    here.same_bytes("a row by itself", alone.data(), rows.out[i].data(), cache.value_dim * sizeof(float));
  }
}

}  // namespace

void check_bf16(const Kernel& kernel, AttentionFn fn) {
  Rng rng(59);
  Cache cache;
  constexpr DType types[] = {DType::F16, DType::BF16, DType::Q8_0};
  for (size_t n_case = 0; n_case < kCases; ++n_case) {
    cache.type = types[n_case / 6 % 3];
    choose_shape(rng, n_case, cache);
    cache.latent = false;
    cache.key_dim = std::min(cache.key_dim, kMaxBf16HeadDim);
    cache.value_dim = std::min(cache.value_dim, kMaxBf16HeadDim);
    const size_t n_rows = n_case % 20 == 18 ? kMaxAttentionRows : rng.between(1, 19);
    const size_t end = end_of(rng, n_case), begin = n_case % 2 == 0 ? 0 : rng.below(end);
    const bool ones = n_case % 4 == 1;
    cache.fill(rng, begin, end, ones);
    Queries rows(rng, n_case, n_rows, begin, end, cache);
    if (ones) rows.sinks.clear();
    const Case here(kernel, "%s, %zu and %zu%s, %zu rows, positions %zu to %zu", dtype_info(cache.type).name, cache.key_dim,
                    cache.value_dim, ones ? " of ones" : "", n_rows, begin, end);
    fn(rows.args(cache));
    for (size_t i = 0; i < n_rows; ++i) {
      expect_row(here, cache, rows, i, in_bf16, attention_bf16_tolerance);
      // Weights that add up to one leave a value that all positions share as it is.
      if (!ones) continue;
      const double value = in_bf16(cache.v_at(rows.first[i], 0));
      for (size_t d = 0; d < cache.value_dim; ++d) {
        here.near(d, static_cast<double>(rows.out[i][d]), value, dot_tolerance(2 * end + 8, value));
      }
    }
    expect_rows_alone(here, cache, rows, fn);
  }
}

void check(const Kernel& kernel, AttentionFn fn) {
  if (kernel.name == std::string_view("attention_bf16")) return check_bf16(kernel, fn);
  Rng rng(43);
  Cache cache;
  for (size_t n_case = 0; n_case < kCases; ++n_case) {
    cache.type = kKvTypes[n_case / 6 % 4];
    choose_shape(rng, n_case, cache);
    const size_t n_rows = n_case % 50 == 48 ? kMaxAttentionRows : rng.between(1, 19);
    const size_t end = end_of(rng, n_case), begin = n_case % 2 == 0 ? 0 : rng.below(end);
    cache.fill(rng, begin, end);
    Queries rows(rng, n_case, n_rows, begin, end, cache);
    const Case here(kernel, "%s, %s%zu and %zu, %zu rows, positions %zu to %zu", dtype_info(cache.type).name,
                    cache.latent ? "latent " : "", cache.key_dim, cache.value_dim, n_rows, begin, end);
    AttentionArgs args = rows.args(cache);
    const bool from_start = std::all_of(rows.first.begin(), rows.first.end(), [](uint32_t at) { return at == 0; });
    if (from_start) args.first = nullptr;
    fn(args);
    for (size_t i = 0; i < n_rows; ++i) expect_row(here, cache, rows, i);
    expect_rows_alone(here, cache, rows, fn);
  }
}

void check(const Kernel& kernel, AttentionMergeFn fn) {
  Rng rng(47);
  Cache cache;
  GuardedBuffer made(1 << 18), merged(1 << 12);
  const AttentionFn attention = kernel.isa->complete.attention;
  for (size_t n_case = 0; n_case < 300; ++n_case) {
    cache.type = kKvTypes[n_case % 4];
    choose_shape(rng, n_case, cache);
    const size_t end = rng.between(1, kMaxBlocks * kKvPositions), begin = n_case % 2 == 0 ? 0 : rng.below(end);
    const size_t n_rows = rng.between(1, 9), n_spans = (end + kAttentionSpan - 1) / kAttentionSpan;
    cache.fill(rng, begin, end);
    const Queries rows(rng, n_case, n_rows, begin, end, cache);
    const Case here(kernel, "%s, %s%zu and %zu, %zu rows, positions %zu to %zu", dtype_info(cache.type).name,
                    cache.latent ? "latent " : "", cache.key_dim, cache.value_dim, n_rows, begin, end);
    const size_t row_size = cache.value_dim + 2, stride = n_rows * row_size;
    auto* partials = made.tail_of<float>(n_spans * stride);
    AttentionArgs args = rows.args(cache);
    for (size_t span = 0; span < n_spans; ++span) {
      args.span = span;
      args.partials = partials + span * stride;
      attention(args);
    }
    here.require(made.canary_intact(), "wrote before its partials");
    auto* out = merged.tail_of<float>(cache.value_dim);
    std::vector<std::vector<float>> split;
    for (size_t i = 0; i < n_rows; ++i) {
      fn({partials + i * row_size, stride, n_spans, cache.value_dim, out, rows.sinks.empty() ? nullptr : &rows.sinks[i]});
      split.emplace_back(out, out + cache.value_dim);
    }
    here.require(merged.canary_intact(), "wrote before its output");
    args.partials = nullptr;
    attention(args);  // last: it may overwrite its queries
    for (size_t i = 0; i < n_rows; ++i) {
      expect_row(here, cache, rows, i);
      here.same_bytes("spans merged", split[i].data(), rows.out[i].data(), cache.value_dim * sizeof(float));
    }
  }
}

}  // namespace siskin::test
