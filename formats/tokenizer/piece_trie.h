// PieceTrie: finds every piece that a text starts with, shortest first. A static trie over bytes.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/tokenizer/tokenizer.h"

namespace siskin {

class PieceTrie {
 public:
  using Entry = std::pair<std::string_view, TokenId>;  // of entries with equal text the last one counts

  PieceTrie() = default;
  // The entries' text is not referred to afterwards. Empty texts are left out.
  explicit PieceTrie(std::vector<Entry> entries);

  bool empty() const { return nodes_.size() <= 1; }
  // Calls visit(bytes, id) for each piece that `text` starts with, shortest first.
  template <class Visit>
  void for_each_prefix(std::string_view text, const Visit& visit) const {
    if (nodes_.empty()) return;
    uint32_t node = 0;
    for (size_t i = 0; i < text.size(); ++i) {
      node = child(node, static_cast<unsigned char>(text[i]));
      if (node == 0) return;
      if (nodes_[node].id >= 0) visit(i + 1, nodes_[node].id);
    }
  }

 private:
  struct Node {
    uint32_t first_child = 0;  // children stand side by side, sorted by byte
    uint16_t children = 0;
    unsigned char byte = 0;
    TokenId id = -1;
  };

  uint32_t child(uint32_t node, unsigned char byte) const;  // 0: none

  std::vector<Node> nodes_;
};

}  // namespace siskin
