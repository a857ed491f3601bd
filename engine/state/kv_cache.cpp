#include "engine/state/kv_cache.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <string>

namespace siskin {
namespace {

struct KvTypeRow {
  KvType type;
  const char* name;
  DType dtype;
};
constexpr std::array<KvTypeRow, 4> kKvTypes = {{{KvType::f16, "f16", DType::F16},
                                                {KvType::f32, "f32", DType::F32},
                                                {KvType::bf16, "bf16", DType::BF16},
                                                {KvType::q8_0, "q8_0", DType::Q8_0}}};

}  // namespace

const char* kv_type_name(KvType type) { return kKvTypes[static_cast<size_t>(type)].name; }
DType kv_dtype(KvType type) { return kKvTypes[static_cast<size_t>(type)].dtype; }

Result<KvType> kv_type_of(std::string_view name) {
  std::string names;
  for (const KvTypeRow& row : kKvTypes) {
    if (name == row.name) return row.type;
    names += (names.empty() ? "" : ", ") + std::string(row.name);
  }
  return Error{ErrorCode::invalid_argument, "KV type '" + std::string(name) + "': expected one of " + names};
}

bool KvPool::reserve(size_t blocks) {
  if (blocks > max_blocks_ - reserved_) return false;
  reserved_ += blocks;
  return true;
}

// Whole large pages, so that a long context costs few TLB entries: several blocks at once where they are small.
bool KvPool::allocate() {
  constexpr uint64_t kLargePage = 2 << 20;
  const uint64_t block = (shape_.bytes_per_block() + 63) / 64 * 64;
  const uint64_t blocks = std::clamp<uint64_t>(kLargePage / block, 1, max_blocks_ - allocated_);
  const bool large = blocks * block >= kLargePage / 2;
  const uint64_t unit = large ? kLargePage : 64, bytes = (blocks * block + unit - 1) / unit * unit;
  std::unique_ptr<std::byte, Free> memory(static_cast<std::byte*>(std::aligned_alloc(unit, bytes)));
  if (!memory) return false;
  if (large) madvise(memory.get(), bytes, MADV_HUGEPAGE);  // a wish: without it pages are small
  for (uint64_t i = blocks; i-- > 0;) free_.push_back(memory.get() + i * block);
  memory_.push_back(std::move(memory));
  allocated_ += blocks;
  return true;
}

std::byte* KvPool::take() {
  if (free_.empty() && !allocate()) return nullptr;
  std::byte* block = free_.back();
  free_.pop_back();
  return block;
}

std::unique_ptr<KvSequence> KvSequence::create(KvPool& pool, size_t max_positions) {
  const size_t blocks = (max_positions + kKvPositions - 1) / kKvPositions;
  if (!pool.reserve(blocks)) return nullptr;
  return std::unique_ptr<KvSequence>(new KvSequence(pool, blocks));
}

KvSequence::KvSequence(KvPool& pool, size_t max_blocks)
    : pool_(pool), max_blocks_(max_blocks), table_(pool.shape().n_layers * pool.shape().n_kv_heads * max_blocks) {}

KvSequence::~KvSequence() {
  for (std::byte* block : owned_) pool_.give_back(block);
  pool_.unreserve(max_blocks_);
}

Status KvSequence::grow(size_t length) {
  const KvShape& shape = pool_.shape();
  const size_t keys = kKvPositions * shape.key_bytes(), head = keys + kKvPositions * shape.value_bytes();
  while (owned_.size() * kKvPositions < length) {
    std::byte* memory = pool_.take();
    if (memory == nullptr) return Error{ErrorCode::out_of_memory, "no memory for another KV block"};
    const size_t index = owned_.size();
    owned_.push_back(memory);
    for (size_t chain = 0; chain < shape.n_layers * shape.n_kv_heads; ++chain) {
      std::byte* k = memory + chain * head;
      table_[chain * max_blocks_ + index] = {k, shape.latent ? nullptr : k + keys};
    }
  }
  return {};
}

}  // namespace siskin
