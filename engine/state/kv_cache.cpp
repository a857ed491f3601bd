#include "engine/state/kv_cache.h"

#include <new>

namespace siskin {

bool KvPool::reserve(size_t blocks) {
  if (blocks > max_blocks_ - reserved_) return false;
  reserved_ += blocks;
  return true;
}

uint16_t* KvPool::take() {
  if (free_.empty()) {
    std::unique_ptr<uint16_t[]> block(new (std::nothrow) uint16_t[shape_.bytes_per_block() / sizeof(uint16_t)]());
    if (!block) return nullptr;
    memory_.push_back(std::move(block));
    return memory_.back().get();
  }
  uint16_t* block = free_.back();
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
  for (uint16_t* block : owned_) pool_.give_back(block);
  pool_.unreserve(max_blocks_);
}

Status KvSequence::grow(size_t length) {
  const KvShape& shape = pool_.shape();
  const size_t head = kKvPositions * shape.head_dim;
  while (owned_.size() * kKvPositions < length) {
    uint16_t* memory = pool_.take();
    if (memory == nullptr) return Error{ErrorCode::out_of_memory, "no memory for another KV block"};
    const size_t index = owned_.size();
    owned_.push_back(memory);
    for (size_t chain = 0; chain < shape.n_layers * shape.n_kv_heads; ++chain) {
      table_[chain * max_blocks_ + index] = {memory + chain * 2 * head, memory + chain * 2 * head + head};
    }
  }
  return {};
}

}  // namespace siskin
