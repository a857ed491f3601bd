// Cases of the KV cache: storing one position, and attention over short and long contexts.
#include <memory>
#include <vector>

#include "bench/kernels_bench/cases.h"
#include "engine/machine/sample.h"

namespace siskin::bench {
namespace {

constexpr size_t kDim = 128;
constexpr size_t kRows = 4;  // query heads that share a KV head

// The blocks of one KV head, filled by ref.
struct Cache {
  explicit Cache(size_t positions, KvStoreFn store) : memory(positions / kKvPositions * 2 * kKvPositions * kDim) {
    const SampleRows rows = sample_rows(available_isas().front().complete, 2, kDim, 1);
    for (size_t b = 0; b < positions / kKvPositions; ++b) {
      uint16_t* k = memory.data() + b * 2 * kKvPositions * kDim;
      blocks.push_back({k, k + kKvPositions * kDim});
      for (size_t slot = 0; slot < kKvPositions; ++slot) store(rows.x.data(), rows.x.data() + kDim, kDim, blocks.back(), slot);
    }
  }
  std::vector<uint16_t> memory;
  std::vector<KvBlock> blocks;
};

struct Queries {
  explicit Queries(uint32_t positions)
      : rows(sample_rows(available_isas().front().complete, kRows, kDim, 2)), limit(kRows, positions) {
    for (size_t i = 0; i < kRows; ++i) q.push_back(rows.x.data() + i * kDim);
  }
  AttentionArgs args(const Cache& cache, std::vector<float>& out) {
    pointers.clear();
    for (size_t i = 0; i < kRows; ++i) pointers.push_back(out.data() + i * kDim);
    return {q.data(), pointers.data(), limit.data(), kRows, cache.blocks.data(), kDim, 0.088f, 0, 0, 0};
  }
  SampleRows rows;
  std::vector<const float*> q;
  std::vector<float*> pointers;
  std::vector<uint32_t> limit;
};

}  // namespace

void add_cases(const Kernel& kernel, KvStoreFn fn, KvStoreFn ref) {
  add_case(kernel.title("dim:128"), [=] {
    const auto got = std::make_shared<Cache>(kKvPositions, ref);
    const auto rows = std::make_shared<SampleRows>(sample_rows(available_isas().front().complete, 2, kDim, 3));
    const auto call = [=](KvStoreFn store, const Cache& cache) {
      store(rows->x.data(), rows->x.data() + kDim, kDim, cache.blocks.front(), 5);
    };
    Work work;
    work.bytes = kDim * 12;
    work.run = [=] { call(fn, *got); };
    work.right = [=] {
      Cache want(kKvPositions, ref);
      call(ref, want);
      return got->memory == want.memory;
    };
    return work;
  });
}

void add_cases(const Kernel& kernel, AttentionFn fn, AttentionFn ref) {
  for (uint32_t positions : {128u, 4096u}) {
    add_case(kernel.title("rows:4/dim:128/positions:" + std::to_string(positions)), [=] {
      const auto cache = std::make_shared<Cache>(positions, available_isas().front().complete.kv_store);
      const auto queries = std::make_shared<Queries>(positions);
      const auto got = std::make_shared<std::vector<float>>(kRows * kDim);
      Work work;
      work.bytes = static_cast<double>(positions * kDim * 4 + kRows * kDim * 8);
      work.ops = 4.0 * static_cast<double>(positions * kDim * kRows);
      work.run = [=, args = queries->args(*cache, *got)] { fn(args); };
      work.right = [=] {
        std::vector<float> want(kRows * kDim);
        ref(queries->args(*cache, want));
        const bool same = close(got->data(), want.data(), want.size(), 1e-5, 1e-4);
        queries->args(*cache, *got);  // the timed calls write to `got` again
        return same;
      };
      return work;
    });
  }
}

}  // namespace siskin::bench
