// PreSplitter: the walk over a text and its use of PCRE2.
#include "formats/tokenizer/pre_splitter.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>

#include "formats/tokenizer/utf8_chars.h"

namespace siskin {
namespace {

// Bounds for files that are not friendly. Published patterns take a few hundred bytes and a few steps per match.
constexpr size_t kMaxPatternBytes = 1 << 16;
constexpr uint32_t kMatchLimit = 200'000;
constexpr uint32_t kHeapLimitKib = 8 << 10;

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};
using MatchData = std::unique_ptr<pcre2_match_data, Deleter<pcre2_match_data_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, Deleter<pcre2_match_context_free>>;

// PCRE2's \s takes U+180E too, which has not been White_Space since Unicode 6.3.
std::string with_unicode_spaces(const std::string& pattern) {
  std::string out;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '\\' || i + 1 == pattern.size()) {
      out += pattern[i];
      continue;
    }
    const char escaped = pattern[++i];
    if (escaped == 's') {
      out += "\\p{White_Space}";
    } else if (escaped == 'S') {
      out += "\\P{White_Space}";
    } else {
      out.append({'\\', escaped});
    }
  }
  return out;
}

// One text's matching: what PCRE2 writes to, which threads do not share.
class Matcher {
 public:
  Matcher() : data_(pcre2_match_data_create(1, nullptr)), context_(pcre2_match_context_create(nullptr)) {
    if (!context_) return;
    pcre2_set_match_limit(context_.get(), kMatchLimit);
    pcre2_set_heap_limit(context_.get(), kHeapLimitKib);
  }

  // The first match at or behind `from`; false: none, or a limit was reached.
  bool find(const pcre2_code* code, std::string_view text, size_t from, size_t& begin, size_t& end) {
    if (!data_ || !context_) return false;
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    const int found = pcre2_match(code, subject, text.size(), from, PCRE2_NO_UTF_CHECK, data_.get(), context_.get());
    if (found < 0) return false;
    const size_t* bounds = pcre2_get_ovector_pointer(data_.get());
    begin = bounds[0];
    end = bounds[1];
    return begin >= from && end >= begin;  // a pattern with \K may say otherwise
  }

 private:
  MatchData data_;
  MatchContext context_;
};

// Bytes of the valid UTF-8, or of the stray bytes, at the front of `text`.
size_t run_bytes(std::string_view text, bool& valid) {
  const auto is_valid = [&](size_t at, size_t bytes) { return bytes > 1 || static_cast<unsigned char>(text[at]) < 0x80; };
  size_t at = utf8_char_bytes(text);
  valid = is_valid(0, at);
  while (at < text.size()) {
    const size_t bytes = utf8_char_bytes(text.substr(at));
    if (is_valid(at, bytes) != valid) break;
    at += bytes;
  }
  return at;
}

// Appends the pieces of `text` that `code` leaves.
void cut(const pcre2_code* code, std::string_view text, Matcher& matcher, std::vector<std::string_view>& pieces) {
  size_t done = 0, from = 0, begin = 0, end = 0;
  while (from < text.size() && matcher.find(code, text, from, begin, end)) {
    if (begin > done) pieces.push_back(text.substr(done, begin - done));
    if (end > begin) pieces.push_back(text.substr(begin, end - begin));
    done = end;
    from = end > begin ? end : std::min(text.size(), end + (end < text.size() ? utf8_char_bytes(text.substr(end)) : 1));
  }
  if (done < text.size()) pieces.push_back(text.substr(done));
}

}  // namespace

struct PreSplitter::Code {
  std::unique_ptr<pcre2_code, Deleter<pcre2_code_free>> compiled;
};

Result<PreSplitter> PreSplitter::make(const std::vector<std::string>& patterns) {
  PreSplitter splitter;
  for (const std::string& pattern : patterns) {
    const std::string source = with_unicode_spaces(pattern);
    if (source.size() > kMaxPatternBytes) {
      return Error{ErrorCode::unsupported, "tokenizer: a pattern of " + std::to_string(pattern.size()) + " bytes"};
    }
    const uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C;
    int error = 0;
    size_t at = 0;
    auto code = std::make_shared<Code>();
    code->compiled.reset(
        pcre2_compile(reinterpret_cast<PCRE2_SPTR>(source.data()), source.size(), options, &error, &at, nullptr));
    if (!code->compiled) {
      std::array<PCRE2_UCHAR, 256> message{};
      pcre2_get_error_message(error, message.data(), message.size());
      return Error{ErrorCode::unsupported, "tokenizer: the pattern \"" + pattern + "\" at " + std::to_string(at) + ": " +
                                               reinterpret_cast<const char*>(message.data())};
    }
    pcre2_jit_compile(code->compiled.get(), PCRE2_JIT_COMPLETE);  // without it PCRE2 interprets, to the same end
    splitter.codes_.push_back(std::move(code));
  }
  return splitter;
}

void PreSplitter::split(std::string_view text, const std::function<void(std::string_view)>& on_word) const {
  Matcher matcher;
  std::vector<std::string_view> pieces, finer;
  while (!text.empty()) {
    bool valid = false;
    const size_t bytes = run_bytes(text, valid);
    pieces.assign(1, text.substr(0, bytes));
    for (size_t i = 0; valid && i < codes_.size(); ++i) {
      finer.clear();
      for (const std::string_view piece : pieces) cut(codes_[i]->compiled.get(), piece, matcher, finer);
      pieces.swap(finer);
    }
    for (const std::string_view piece : pieces) on_word(piece);
    text.remove_prefix(bytes);
  }
}

}  // namespace siskin
