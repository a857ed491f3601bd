// TextRules: what a tokenizer does to text before it segments it - a list of steps, and perhaps a split into words.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "formats/tokenizer/charsmap.h"

namespace siskin {

// Where a fragment lies: special tokens found in a text cut it into fragments.
struct FragmentPlace {
  bool starts_text = true;
  bool ends_text = true;
  bool after_user_defined = false;  // the token before it is a user-defined one
};

enum class PrefixAt {
  text_start,      // once
  after_control,   // at the start and after control tokens
  every_fragment,  // llama.cpp's rule, and tokenizer.json's Prepend
};

// Puts `text` in front of a fragment that is not empty; unless_there: not if it starts so already.
struct PrependStep {
  std::string text;
  PrefixAt at = PrefixAt::every_fragment;
  bool unless_there = false;
};
struct ReplaceStep {
  std::string from;  // not empty
  std::string to;
};
// Runs of two or more of `of` become one `to`.
struct CollapseStep {
  std::string of;
  std::string to;
};
// SentencePiece's remove_extra_whitespaces: runs of spaces become one, none at the text's ends.
struct SqueezeSpacesStep {};
struct StripStep {
  bool left = true;
  bool right = true;
};
// Unicode's composed form (NFC); text that is no UTF-8 stays as it is.
struct ComposeStep {};
// Cuts at runs of whitespace and joins with single spaces (tokenizer.json's WhitespaceSplit before Metaspace).
struct JoinWordsStep {};

using TextStep =
    std::variant<PrependStep, ReplaceStep, CollapseStep, SqueezeSpacesStep, StripStep, ComposeStep, JoinWordsStep, Charsmap>;

struct TextRules {
  std::vector<TextStep> steps;
  bool split_words = false;  // each space mark starts a word that is segmented for itself

  std::string apply(std::string_view fragment, const FragmentPlace& place) const;
};

}  // namespace siskin
