// TextStream: turns a request's tokens into text as it may be shown: whole UTF-8 characters, nothing that could still become a stop
// text, nothing after one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace siskin {

class TextStream {
 public:
  explicit TextStream(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  // Adds one token's bytes; returns what may be shown now (valid until the next call).
  std::string_view push(std::string_view bytes);
  bool stopped() const { return stopped_; }
  // Everything shown, after finish(): held-back bytes included unless a stop text ended it.
  void finish();
  const std::string& text() const { return text_; }

 private:
  std::vector<std::string> stops_;
  std::string text_;     // shown
  std::string pending_;  // held back
  std::string shown_;    // the last push's share
  bool stopped_ = false;
};

}  // namespace siskin
