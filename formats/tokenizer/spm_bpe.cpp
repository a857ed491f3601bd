// SpmBpe: merging by score, and the two corrections behind it (unused pieces are split again, unknown bytes fall back).
#include "formats/tokenizer/spm_bpe.h"

#include <unordered_map>
#include <utility>

#include "formats/tokenizer/merge_queue.h"
#include "formats/tokenizer/utf8_chars.h"

namespace siskin {
namespace {

using Halves = std::unordered_map<TokenId, std::pair<std::string_view, std::string_view>>;

// An unused piece may serve as a step of merging but never as a result: it is split into what it was merged from.
void append_piece(const Vocab& vocab, const Halves& halves, std::string_view text, bool& previous_unknown,
                  std::vector<TokenId>& ids) {
  std::vector<std::string_view> pending{text};
  while (!pending.empty()) {
    const std::string_view part = pending.back();
    pending.pop_back();
    const TokenId id = vocab.find(part);
    if (id == kNoToken) {
      vocab.append_fallback(part, previous_unknown, ids);
      previous_unknown = true;
      continue;
    }
    const auto split = vocab[id].type == PieceType::unused ? halves.find(id) : halves.end();
    if (split != halves.end()) {
      pending.push_back(split->second.second);
      pending.push_back(split->second.first);
      continue;
    }
    ids.push_back(id);
    previous_unknown = false;
  }
}

}  // namespace

void SpmBpe::segment(const Vocab& vocab, std::string_view word, std::vector<TokenId>& ids) const {
  std::vector<Symbol> symbols;
  symbols.reserve(word.size());
  for (size_t at = 0; at < word.size();) {
    const size_t bytes = utf8_char_bytes(word.substr(at));
    push_symbol(symbols, static_cast<uint32_t>(at), static_cast<uint32_t>(bytes), kNoToken);
    at += bytes;
  }
  Halves halves;
  merge_symbols(symbols, [&](const Symbol& left, const Symbol& right) -> std::optional<Merge> {
    const size_t bytes = size_t{left.bytes} + right.bytes;
    if (bytes > vocab.longest()) return std::nullopt;
    const TokenId id = vocab.find(word.substr(left.begin, bytes));
    if (id == kNoToken) return std::nullopt;
    if (vocab[id].type == PieceType::unused) {
      halves.insert_or_assign(id, std::pair(word.substr(left.begin, left.bytes), word.substr(right.begin, right.bytes)));
    }
    return Merge{-vocab[id].score, id};
  });
  bool previous_unknown = false;
  for (uint32_t i = 0; i != kNoSymbol && i < symbols.size(); i = symbols[i].next) {
    append_piece(vocab, halves, word.substr(symbols[i].begin, symbols[i].bytes), previous_unknown, ids);
  }
}

}  // namespace siskin
