// PreSplitter: cuts text into words by regular expressions (PCRE2, compiled to machine code where the machine allows it),
// before byte-level BPE merges inside each.
#pragma once

#include <siskin/result.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace siskin {

class PreSplitter {
 public:
  // The patterns are applied in turn: each cuts what those before it left into its matches and what lies between them. \s is
  // Unicode's White_Space, as in the engines that the models were trained with. Errors: unsupported (PCRE2 cannot compile it).
  static Result<PreSplitter> make(const std::vector<std::string>& patterns);

  // Calls on_word for each word, in order, never an empty one; together they are `text`. Bytes that are no UTF-8 are words of
  // their own. A pattern that would backtrack or recurse without bound ends the splitting of what it is at: the rest is one
  // word.
  void split(std::string_view text, const std::function<void(std::string_view)>& on_word) const;

 private:
  struct Code;
  std::vector<std::shared_ptr<const Code>> codes_;
};

}  // namespace siskin
