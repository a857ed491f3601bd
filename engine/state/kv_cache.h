// The KV cache: fixed blocks of positions, owned by a pool, chained per sequence. Layout of a block: kernels.h, KvBlock.
#pragma once

#include <siskin/kv_type.h>
#include <siskin/result.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "kernels/kernels.h"

namespace siskin {

DType kv_dtype(KvType type);

struct KvShape {
  size_t n_layers = 0;
  size_t n_kv_heads = 0;
  size_t key_dim = 0;
  size_t value_dim = 0;
  bool latent = false;  // a value is the beginning of its key, and is kept once
  DType type = DType::F16;

  uint64_t key_bytes() const { return kv_row_bytes(type, key_dim); }
  uint64_t value_bytes() const { return latent ? 0 : kv_row_bytes(type, value_dim); }
  // Of one position: K and V, all layers and heads.
  uint64_t bytes_per_position() const { return uint64_t{n_layers} * n_kv_heads * (key_bytes() + value_bytes()); }
  uint64_t bytes_per_block() const { return bytes_per_position() * kKvPositions; }
};

// Hands out blocks and takes them back. Memory grows with use up to `max_blocks`; reserve() makes later takes certain.
class KvPool {
 public:
  KvPool(const KvShape& shape, size_t max_blocks) : shape_(shape), max_blocks_(max_blocks) {}

  const KvShape& shape() const { return shape_; }
  bool reserve(size_t blocks);  // false: not now (others hold them)
  void unreserve(size_t blocks) { reserved_ -= blocks; }
  std::byte* take();  // 64-byte aligned. REQUIRES: reserved. nullptr when the system has no memory
  void give_back(std::byte* block) { free_.push_back(block); }
  size_t max_blocks() const { return max_blocks_; }

 private:
  KvShape shape_;
  size_t max_blocks_;
  size_t reserved_ = 0;
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  bool allocate();

  size_t allocated_ = 0;
  std::vector<std::unique_ptr<std::byte, Free>> memory_;  // of one or several blocks each
  std::vector<std::byte*> free_;
};

// One sequence's state between steps. Positions [0, length) are stored. Destroying it returns its blocks.
class KvSequence {
 public:
  // nullptr: the pool cannot hold that many positions now.
  static std::unique_ptr<KvSequence> create(KvPool& pool, size_t max_positions);
  ~KvSequence();
  KvSequence(const KvSequence&) = delete;
  KvSequence& operator=(const KvSequence&) = delete;

  DType type() const { return pool_.shape().type; }
  // Makes room for positions up to `length`. Errors: out_of_memory. REQUIRES: length <= max_positions.
  Status grow(size_t length);
  // The chain of one layer's KV head, first block first.
  const KvBlock* blocks(size_t layer, size_t kv_head) const {
    return &table_[(layer * pool_.shape().n_kv_heads + kv_head) * max_blocks_];
  }

 private:
  KvSequence(KvPool& pool, size_t max_blocks);

  KvPool& pool_;
  size_t max_blocks_;
  std::vector<std::byte*> owned_;
  std::vector<KvBlock> table_;  // [n_layers, n_kv_heads, max_blocks]
};

}  // namespace siskin
