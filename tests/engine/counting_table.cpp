#include "tests/engine/counting_table.h"

#include <algorithm>
#include <mutex>

namespace siskin::test {
namespace {

std::mutex mutex;
Reads reads;
KernelTable base;
Isa isa;

template <MatmulFn KernelTable::*Kernel>
void count_matmul(const MatmulArgs& args) noexcept {
  {
    const std::lock_guard lock(mutex);
    for (size_t strip = args.strip_begin; strip < args.strip_end; ++strip) {
      const uint64_t rows = std::min(kStripRows, args.w.rows - strip * kStripRows);
      reads.strips[{args.w.tensor, args.w.slice, strip}] = {args.w.strip_bytes, rows * args.w.cols};
      reads.flops += 2 * args.m * rows * args.w.cols;
      if (Kernel == &KernelTable::matmul_any_bf16) reads.flops_bf16 += 2 * args.m * rows * args.w.cols;
    }
  }
  (base.*Kernel)(args);
}

void count_row(const GetRowArgs& args) noexcept {
  {
    const std::lock_guard lock(mutex);
    reads.rows[{args.w.tensor, args.row}] = {args.w.strip_bytes / kStripRows, args.w.cols};
  }
  base.get_row(args);
}

void count_vector(uint32_t tensor, const float* values, size_t n) {
  if (values == nullptr) return;
  const std::lock_guard lock(mutex);
  reads.vectors[{tensor, values}] = n * sizeof(float);
}

void count_norm(const RmsNormArgs& args) noexcept {
  count_vector(args.tensor, args.w, args.n);
  base.rms_norm(args);
}

void count_layer_norm(const LayerNormArgs& args) noexcept {
  count_vector(args.tensor, args.w, args.n);
  count_vector(args.bias_tensor, args.b, args.n);
  base.layer_norm(args);
}

void count_bias(const AddBiasArgs& args) noexcept {
  count_vector(args.tensor, args.bias, args.n);
  base.add_bias(args);
}

float count_dot(const DotArgs& args) noexcept {
  count_vector(args.tensor, args.w, args.n);
  return base.dot(args);
}

// Of one position of one head.
uint64_t kv_bytes(DType type, size_t key_dim, size_t value_dim, const KvBlock& block) {
  return kv_row_bytes(type, key_dim) + (block.v == nullptr ? 0 : kv_row_bytes(type, value_dim));
}

void count_store(const KvStoreArgs& args) noexcept {
  {
    const std::lock_guard lock(mutex);
    reads.kv_written += kv_bytes(args.type, args.key_dim, args.value_dim, args.block);
  }
  base.kv_store(args);
}

template <AttentionFn KernelTable::*Kernel>
void count_attention(const AttentionArgs& args) noexcept {
  {
    const std::lock_guard lock(mutex);
    // Of rows cut into spans, a call reads what they can see of one.
    const uint64_t begin = args.partials != nullptr ? args.span * kAttentionSpan : 0;
    const uint64_t end = args.partials != nullptr ? begin + kAttentionSpan : UINT64_MAX;
    auto& [seen, row_bytes] = reads.kv[{args.request, args.layer, args.kv_head}];
    row_bytes = kv_bytes(args.kv_type, args.key_dim, args.value_dim, *args.blocks);
    for (size_t i = 0; i < args.n_rows; ++i) {
      if (args.sinks != nullptr) reads.sinks.insert(args.sinks[i]);
      const uint64_t start = std::max<uint64_t>(args.first != nullptr ? args.first[i] : 0, begin);
      const uint64_t stop = std::min<uint64_t>(args.limit[i], end);
      if (start >= stop) continue;
      seen.resize(std::max<size_t>(seen.size(), stop));
      std::fill(seen.begin() + static_cast<std::ptrdiff_t>(start), seen.begin() + static_cast<std::ptrdiff_t>(stop), true);
      reads.flops += (stop - start) * 2 * (args.key_dim + args.value_dim);
    }
  }
  (base.*Kernel)(args);
}

}  // namespace

uint64_t Reads::weight_bytes() const {
  uint64_t sum = 0;
  for (const auto& [key, value] : strips) sum += value.first;
  for (const auto& [key, value] : rows) sum += value.first;
  for (const auto& [key, bytes] : vectors) sum += bytes;
  return sum + sinks.size() * sizeof(float);
}

uint64_t Reads::kv_bytes() const {
  uint64_t sum = 0;
  for (const auto& [key, read] : kv)
    sum += static_cast<uint64_t>(std::count(read.first.begin(), read.first.end(), true)) * read.second;
  return sum;
}

const Isa& counting_isa(const Isa& underlying) {
  base = underlying.complete;
  isa = underlying;
  KernelTable& table = isa.complete;
  table.matvec_f32 = count_matmul<&KernelTable::matvec_f32>;
  table.matvec_f16 = count_matmul<&KernelTable::matvec_f16>;
  table.matvec_bf16 = count_matmul<&KernelTable::matvec_bf16>;
  table.matvec_fp8 = count_matmul<&KernelTable::matvec_fp8>;
  table.matmul_f32 = count_matmul<&KernelTable::matmul_f32>;
  table.matmul_f16 = count_matmul<&KernelTable::matmul_f16>;
  table.matmul_bf16 = count_matmul<&KernelTable::matmul_bf16>;
  table.matmul_fp8 = count_matmul<&KernelTable::matmul_fp8>;
#define SISKIN_INT8_TYPE(Type, name)                               \
  table.matvec_##name = count_matmul<&KernelTable::matvec_##name>; \
  table.matmul_##name = count_matmul<&KernelTable::matmul_##name>;
#include "kernels/int8_types.inc"
#undef SISKIN_INT8_TYPE
  table.matmul_any_bf16 = count_matmul<&KernelTable::matmul_any_bf16>;
  table.get_row = count_row;
  table.rms_norm = count_norm;
  table.layer_norm = count_layer_norm;
  table.add_bias = count_bias;
  table.dot = count_dot;
  table.kv_store = count_store;
  table.attention = count_attention<&KernelTable::attention>;
  table.attention_bf16 = count_attention<&KernelTable::attention_bf16>;
  take_reads();
  return isa;
}

Reads take_reads() {
  const std::lock_guard lock(mutex);
  Reads taken = std::move(reads);
  reads = {};
  return taken;
}

}  // namespace siskin::test
