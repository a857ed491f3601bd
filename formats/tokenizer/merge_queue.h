// merge_symbols: byte-pair merging of one word, cheapest pair first and the leftmost of equals. What a pair costs is the
// caller's: a score (SentencePiece) or a rank (merge lists).
#pragma once

#include <cstdint>
#include <optional>
#include <queue>
#include <vector>

#include "formats/tokenizer/tokenizer.h"

namespace siskin {

// A run of bytes of the word: [begin, begin + bytes). Merged-away symbols have bytes == 0.
struct Symbol {
  uint32_t begin = 0;
  uint32_t bytes = 0;
  TokenId id = -1;  // -1: no piece of the vocabulary
  uint32_t previous = UINT32_MAX;
  uint32_t next = UINT32_MAX;
};

struct Merge {
  float cost = 0.0F;  // less is merged earlier
  TokenId id = -1;    // what the pair becomes
};

inline constexpr uint32_t kNoSymbol = UINT32_MAX;

// Appends a symbol behind the last one.
inline void push_symbol(std::vector<Symbol>& symbols, uint32_t begin, uint32_t bytes, TokenId id) {
  const auto index = static_cast<uint32_t>(symbols.size());
  if (index > 0) symbols.back().next = index;
  symbols.push_back({begin, bytes, id, index > 0 ? index - 1 : kNoSymbol, kNoSymbol});
}

// merge_of(left, right) -> std::optional<Merge>. O(n log n): every pair enters the heap once when it comes to be, and pairs
// that have since changed are recognised by their bytes when they come out. REQUIRES: bytes > 0 in all symbols.
// Source: SentencePiece bpe_model.cc (SampleEncode), Kudo and Richardson 2018.
template <class MergeOf>
void merge_symbols(std::vector<Symbol>& symbols, const MergeOf& merge_of) {
  struct Candidate {
    float cost;
    uint32_t left;
    uint32_t right;
    uint32_t bytes;
    TokenId id;
    bool operator<(const Candidate& other) const { return cost > other.cost || (cost == other.cost && left > other.left); }
  };
  std::vector<Candidate> storage;
  storage.reserve(symbols.size());
  std::priority_queue<Candidate> heap(std::less<Candidate>{}, std::move(storage));
  const auto offer = [&](uint32_t left, uint32_t right) {
    if (left == kNoSymbol || right == kNoSymbol) return;
    const std::optional<Merge> merge = merge_of(symbols[left], symbols[right]);
    if (merge) heap.push({merge->cost, left, right, symbols[left].bytes + symbols[right].bytes, merge->id});
  };
  for (uint32_t i = 1; i < symbols.size(); ++i) offer(i - 1, i);
  while (!heap.empty()) {
    const Candidate top = heap.top();
    heap.pop();
    Symbol& left = symbols[top.left];
    Symbol& right = symbols[top.right];
    if (left.bytes == 0 || right.bytes == 0 || left.bytes + right.bytes != top.bytes) continue;
    left.bytes = top.bytes;
    left.id = top.id;
    left.next = right.next;
    right.bytes = 0;
    if (left.next != kNoSymbol) symbols[left.next].previous = top.left;
    offer(left.previous, top.left);
    offer(top.left, left.next);
  }
}

}  // namespace siskin
