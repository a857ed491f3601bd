// Cases of the KV cache: storing one position, and attention over short and long contexts.
#include <memory>
#include <vector>

#include "bench/kernels_bench/cases.h"
#include "engine/machine/sample.h"

namespace siskin::bench {
namespace {

constexpr size_t kDim = 128;

struct Widths {
  size_t key, value;
  bool latent;  // the values are the beginnings of the keys
  std::string text() const {
    return key == value ? "dim:" + std::to_string(key) : "latent:" + std::to_string(key) + "/" + std::to_string(value);
  }
};
constexpr Widths kHead{kDim, kDim, false};
constexpr Widths kSmallHead{64, 64, false};
constexpr Widths kLatent{576, 512, true};  // DeepSeek's

// The blocks of one KV head, filled by ref.
struct Cache {
  Cache(DType kv_type, const Widths& w, size_t positions, KvStoreFn store)
      : type(kv_type),
        widths(w),
        k_bytes(kKvPositions * kv_row_bytes(type, w.key)),
        bytes(k_bytes + (w.latent ? 0 : kKvPositions * kv_row_bytes(type, w.value))),
        memory(positions / kKvPositions * bytes) {
    const SampleRows rows = sample_rows(available_isas().front().complete, 2, w.key, 1);
    for (size_t b = 0; b < positions / kKvPositions; ++b) {
      std::byte* k = memory.data() + b * bytes;
      blocks.push_back({k, w.latent ? nullptr : k + k_bytes});
      for (size_t slot = 0; slot < kKvPositions; ++slot) {
        store({type, rows.x.data(), rows.x.data() + w.key, w.key, w.value, blocks.back(), slot});
      }
    }
  }
  DType type;
  Widths widths;
  size_t k_bytes, bytes;  // of a block's K, and of all of it
  std::vector<std::byte> memory;
  std::vector<KvBlock> blocks;
};

struct Queries {
  Queries(size_t n, size_t width, uint32_t positions)
      : rows(sample_rows(available_isas().front().complete, n, width, 2)), limit(n, positions) {
    for (size_t i = 0; i < n; ++i) q.push_back(rows.x.data() + i * width);
  }
  AttentionArgs args(const Cache& cache, std::vector<float>& out) {
    pointers.clear();
    for (size_t i = 0; i < q.size(); ++i) pointers.push_back(out.data() + i * cache.widths.value);
    AttentionArgs args;
    args.q = q.data();
    args.out = pointers.data();
    args.limit = limit.data();
    args.n_rows = q.size();
    args.blocks = cache.blocks.data();
    args.kv_type = cache.type;
    args.key_dim = cache.widths.key;
    args.value_dim = cache.widths.value;
    args.scale = 0.088f;
    return args;
  }
  SampleRows rows;
  std::vector<const float*> q;
  std::vector<float*> pointers;
  std::vector<uint32_t> limit;
};

constexpr DType kTypes[] = {DType::F16, DType::F32, DType::BF16, DType::Q8_0};

void add_attention(const Kernel& kernel, AttentionFn fn, AttentionFn ref, DType type, const Widths& widths, size_t n,
                   uint32_t positions, double absolute = 1e-5) {
  const std::string shape =
      dtype_name(type) + ("/rows:" + std::to_string(n)) + "/" + widths.text() + "/positions:" + std::to_string(positions);
  add_case(kernel.title(shape), [=] {
    const auto cache = std::make_shared<Cache>(type, widths, positions, available_isas().front().complete.kv_store);
    const auto queries = std::make_shared<Queries>(n, widths.key, positions);
    const auto got = std::make_shared<std::vector<float>>(n * widths.value);
    Work work;
    work.bytes = static_cast<double>(cache->memory.size() + n * (widths.key + widths.value) * sizeof(float));
    work.ops = 2.0 * static_cast<double>(positions * (widths.key + widths.value) * n);
    work.run = [=, args = queries->args(*cache, *got)] { fn(args); };
    work.right = [=] {
      std::vector<float> want(n * widths.value);
      ref(queries->args(*cache, want));
      const bool same = close(got->data(), want.data(), want.size(), absolute, 1e-4);
      queries->args(*cache, *got);  // the timed calls write to `got` again
      return same;
    };
    return work;
  });
}

}  // namespace

void add_cases(const Kernel& kernel, KvStoreFn fn, KvStoreFn ref) {
  for (const DType type : kTypes) {
    add_case(kernel.title(dtype_name(type) + std::string("/dim:128")), [=] {
      const auto got = std::make_shared<Cache>(type, kHead, kKvPositions, ref);
      const auto rows = std::make_shared<SampleRows>(sample_rows(available_isas().front().complete, 2, kDim, 3));
      const auto call = [=](KvStoreFn store, const Cache& cache) {
        store({type, rows->x.data(), rows->x.data() + kDim, kDim, kDim, cache.blocks.front(), 5});
      };
      Work work;
      work.bytes = static_cast<double>(2 * kDim * sizeof(float) + 2 * kv_row_bytes(type, kDim));
      work.run = [=] { call(fn, *got); };
      work.right = [=] {
        Cache want(type, kHead, kKvPositions, ref);
        call(ref, want);
        return got->memory == want.memory;
      };
      return work;
    });
  }
}

// Decoding: the query heads that share a KV head; a prompt: a tile of tokens times heads.
void add_cases(const Kernel& kernel, AttentionFn fn, AttentionFn ref) {
  if (kernel.name == "attention_bf16") {
    for (const DType type : {DType::F16, DType::BF16, DType::Q8_0}) {
      // Weights near the middle of two bf16 may be rounded to either.
      add_attention(kernel, fn, ref, type, kHead, kMaxAttentionRows, 1024, 1e-3);
      add_attention(kernel, fn, ref, type, kSmallHead, kMaxAttentionRows, 1024, 1e-3);
    }
    return;
  }
  for (const DType type : kTypes) {
    add_attention(kernel, fn, ref, type, kHead, 4, 4096);
    add_attention(kernel, fn, ref, type, kHead, kMaxAttentionRows, 1024);
    add_attention(kernel, fn, ref, type, kSmallHead, kMaxAttentionRows, 1024);
    add_attention(kernel, fn, ref, type, kLatent, 16, 1024);
  }
  add_attention(kernel, fn, ref, DType::F16, kHead, 4, 128);
}

// The spans of a row at position 8192.
void add_cases(const Kernel& kernel, AttentionMergeFn fn, AttentionMergeFn ref) {
  constexpr size_t kSpans = 8192 / kAttentionSpan, kStride = kDim + 2;
  add_case(kernel.title("dim:128/spans:" + std::to_string(kSpans)), [=] {
    const auto parts = std::make_shared<SampleRows>(sample_rows(available_isas().front().complete, kSpans, kDim + 32, 5));
    for (size_t span = 0; span < kSpans; ++span) parts->x[span * kStride + kDim + 1] = 1.0f;  // the total
    const auto got = std::make_shared<std::vector<float>>(kDim);
    Work work;
    work.bytes = static_cast<double>((kSpans * kStride + kDim) * sizeof(float));
    work.run = [=] { fn({parts->x.data(), kStride, kSpans, kDim, got->data()}); };
    work.right = [=] {
      std::vector<float> want(kDim);
      ref({parts->x.data(), kStride, kSpans, kDim, want.data()});
      return close(got->data(), want.data(), want.size(), 1e-5, 1e-4);
    };
    return work;
  });
}

}  // namespace siskin::bench
