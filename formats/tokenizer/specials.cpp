// SpecialTokens: one pass over the text with a trie.
#include "formats/tokenizer/specials.h"

#include <utility>

namespace siskin {
namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Bytes of non-ASCII characters count as parts of words.
bool in_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

}  // namespace

SpecialTokens::SpecialTokens(std::vector<SpecialToken> tokens) : tokens_(std::move(tokens)) {
  std::vector<PieceTrie::Entry> all;
  std::vector<PieceTrie::Entry> plain;
  for (size_t i = 0; i < tokens_.size(); ++i) {
    all.emplace_back(tokens_[i].text, static_cast<TokenId>(i));
    if (!tokens_[i].control) plain.push_back(all.back());
  }
  all_ = PieceTrie(std::move(all));
  plain_ = PieceTrie(std::move(plain));
}

const SpecialToken* SpecialTokens::longest_at(std::string_view text, size_t at, bool parse_control) const {
  const SpecialToken* longest = nullptr;
  const PieceTrie& trie = parse_control ? all_ : plain_;
  trie.for_each_prefix(text.substr(at), [&](size_t bytes, TokenId index) {
    const SpecialToken& token = tokens_[static_cast<size_t>(index)];
    const bool in_a_word = (at > 0 && in_word(text[at - 1])) || (at + bytes < text.size() && in_word(text[at + bytes]));
    if (!token.whole_word || !in_a_word) longest = &token;
  });
  return longest;
}

void SpecialTokens::partition(std::string_view text, bool parse_control,
                              const std::function<void(std::string_view, const SpecialToken*)>& on_text,
                              const std::function<void(const SpecialToken&)>& on_token) const {
  const SpecialToken* previous = nullptr;
  size_t begin = 0;
  const auto flush = [&](size_t end) {
    if (end > begin) on_text(text.substr(begin, end - begin), previous);
  };
  if ((parse_control ? all_ : plain_).empty()) return flush(text.size());
  for (size_t at = 0; at < text.size();) {
    const SpecialToken* token = longest_at(text, at, parse_control);
    if (token == nullptr) {
      ++at;
      continue;
    }
    size_t end = at;
    while (token->strip_left && end > begin && is_space(text[end - 1])) --end;
    flush(end);
    on_token(*token);
    previous = token;
    begin = at + token->text.size();
    while (token->strip_right && begin < text.size() && is_space(text[begin])) ++begin;
    at = begin;
  }
  flush(text.size());
}

}  // namespace siskin
