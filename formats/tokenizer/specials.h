// SpecialTokens: the tokens that are found in raw text before anything else is done to it.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/tokenizer/piece_trie.h"

namespace siskin {

struct SpecialToken {
  std::string text;
  TokenId id = -1;
  bool control = true;       // found only if the caller parses special tokens; false: always found
  bool strip_left = false;   // swallows the whitespace before it
  bool strip_right = false;  // and behind it
  bool whole_word = false;   // not inside a word
};

class SpecialTokens {
 public:
  SpecialTokens() = default;
  explicit SpecialTokens(std::vector<SpecialToken> tokens);

  // Cuts `text` at its special tokens, the leftmost and then the longest first, and calls on_text(fragment, previous) for what
  // lies between (never empty; previous: the token before, or nullptr) and on_token(token), in order.
  void partition(std::string_view text, bool parse_control,
                 const std::function<void(std::string_view, const SpecialToken*)>& on_text,
                 const std::function<void(const SpecialToken&)>& on_token) const;

 private:
  const SpecialToken* longest_at(std::string_view text, size_t at, bool parse_control) const;

  std::vector<SpecialToken> tokens_;
  PieceTrie all_;    // the "ids" of both tries are indices of tokens_
  PieceTrie plain_;  // those that are always found
};

}  // namespace siskin
