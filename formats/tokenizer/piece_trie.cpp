// PieceTrie: built level by level from the sorted pieces, so that no input makes it recurse.
#include "formats/tokenizer/piece_trie.h"

#include <algorithm>

namespace siskin {
namespace {

// The entries [begin, end) share the first `depth` bytes, which lead to `node`.
struct Range {
  uint32_t node;
  size_t begin;
  size_t end;
  size_t depth;
};

}  // namespace

PieceTrie::PieceTrie(std::vector<Entry> entries) {
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.first < b.first; });
  nodes_.emplace_back();
  std::vector<Range> level{{0, 0, entries.size(), 0}};
  std::vector<Range> next_level;
  while (!level.empty()) {
    next_level.clear();
    for (const Range& range : level) {
      size_t at = range.begin;
      // Entries that end here sort before those that go on.
      for (; at < range.end && entries[at].first.size() == range.depth; ++at) {
        if (range.depth > 0) nodes_[range.node].id = entries[at].second;
      }
      nodes_[range.node].first_child = static_cast<uint32_t>(nodes_.size());
      while (at < range.end) {
        const char byte = entries[at].first[range.depth];
        size_t end = at;
        while (end < range.end && entries[end].first[range.depth] == byte) ++end;
        next_level.push_back({static_cast<uint32_t>(nodes_.size()), at, end, range.depth + 1});
        nodes_.push_back({0, 0, static_cast<unsigned char>(byte), -1});
        ++nodes_[range.node].children;
        at = end;
      }
    }
    level.swap(next_level);
  }
}

uint32_t PieceTrie::child(uint32_t node, unsigned char byte) const {
  const auto first = nodes_.begin() + nodes_[node].first_child;
  const auto last = first + nodes_[node].children;
  const auto it = std::lower_bound(first, last, byte, [](const Node& a, unsigned char b) { return a.byte < b; });
  return it != last && it->byte == byte ? static_cast<uint32_t>(it - nodes_.begin()) : 0;
}

}  // namespace siskin
