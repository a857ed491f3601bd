// RankedBpe: merging by rank.
#include "formats/tokenizer/ranked_bpe.h"

#include <unordered_set>

#include "formats/tokenizer/utf8_chars.h"

namespace siskin {
namespace {

uint64_t pair_key(TokenId left, TokenId right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

}  // namespace

Result<RankedBpe> RankedBpe::make(const Vocab& vocab, const std::vector<Pair>& merges, Options options) {
  // Ranks are kept as floats, which are exact up to here.
  if (merges.size() > kMaxPieces) {
    return Error{ErrorCode::corrupt_file, "tokenizer: " + std::to_string(merges.size()) + " merges"};
  }
  RankedBpe bpe;
  bpe.options_ = options;
  if (vocab.written() == PieceText::bytes) bpe.kind_ = "byte-bpe";
  bpe.merges_.reserve(merges.size());
  std::unordered_set<std::string_view> known;
  known.reserve(vocab.size());
  for (const Piece& piece : vocab.pieces()) known.insert(piece.text);
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    const std::string both = left + right;
    if (left.empty() || right.empty() || !known.count(left) || !known.count(right) || !known.count(both)) {
      return Error{ErrorCode::corrupt_file, "tokenizer: merge " + std::to_string(rank) +
                                                ": its halves and their union must be pieces of the vocabulary"};
    }
    const TokenId left_id = vocab.find(left);
    const TokenId right_id = vocab.find(right);
    const TokenId id = vocab.find(both);
    // A merge from or into a control token is left out: text never spells one.
    if (left_id == kNoToken || right_id == kNoToken || id == kNoToken) continue;
    bpe.merges_.insert_or_assign(pair_key(left_id, right_id), Merge{static_cast<float>(rank), id});
  }
  return bpe;
}

void RankedBpe::segment(const Vocab& vocab, std::string_view word, std::vector<TokenId>& ids) const {
  if (options_.ignore_merges) {
    const TokenId whole = vocab.find(word);
    if (whole != kNoToken) {
      ids.push_back(whole);
      return;
    }
  }
  std::vector<Symbol> symbols;
  symbols.reserve(word.size());
  for (size_t at = 0; at < word.size();) {
    const size_t bytes = vocab.written() == PieceText::bytes ? 1 : utf8_char_bytes(word.substr(at));
    const auto begin = static_cast<uint32_t>(at);
    const std::string_view text = word.substr(at, bytes);
    const TokenId id = vocab.find(text);
    at += bytes;
    if (id == kNoToken && vocab.spells_bytes(text)) {
      for (uint32_t i = 0; i < bytes; ++i) {
        push_symbol(symbols, begin + i, 1, vocab.byte_id(static_cast<unsigned char>(word[begin + i])));
      }
    } else if (id == kNoToken && options_.fuse_unknown && !symbols.empty() && symbols.back().id == kNoToken) {
      symbols.back().bytes += static_cast<uint32_t>(bytes);
    } else {
      push_symbol(symbols, begin, static_cast<uint32_t>(bytes), id);
    }
  }
  merge_symbols(symbols, [&](const Symbol& left, const Symbol& right) -> std::optional<Merge> {
    const auto it = merges_.find(pair_key(left.id, right.id));
    return it == merges_.end() ? std::nullopt : std::optional<Merge>(it->second);
  });
  for (uint32_t i = 0; i != kNoSymbol && i < symbols.size(); i = symbols[i].next) {
    if (symbols[i].id != kNoToken) {
      ids.push_back(symbols[i].id);
    } else {
      vocab.append_fallback(word.substr(symbols[i].begin, symbols[i].bytes), false, ids);
    }
  }
}

}  // namespace siskin
