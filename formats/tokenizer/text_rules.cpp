// TextRules: the steps themselves.
#include "formats/tokenizer/text_rules.h"

#include <utf8proc.h>

#include <cstdlib>
#include <memory>

namespace siskin {
namespace {

constexpr std::string_view kAsciiSpaces = " \t\n\v\f\r";

bool prefix_applies(PrefixAt at, const FragmentPlace& place) {
  switch (at) {
    case PrefixAt::text_start:
      return place.starts_text;
    case PrefixAt::after_control:
      return !place.after_user_defined;
    case PrefixAt::every_fragment:
      return true;
  }
  return true;
}

std::string stripped(const std::string& text, bool left, bool right, std::string_view spaces) {
  const size_t begin = left ? text.find_first_not_of(spaces) : 0;
  if (begin == std::string::npos) return {};
  const size_t end = right ? text.find_last_not_of(spaces) + 1 : text.size();
  return end > begin ? text.substr(begin, end - begin) : std::string();
}

std::string replaced(const std::string& text, const std::string& from, const std::string& to) {
  std::string out;
  out.reserve(text.size() * 2);
  size_t at = 0;
  for (size_t hit = text.find(from); hit != std::string::npos; hit = text.find(from, at)) {
    out.append(text, at, hit - at).append(to);
    at = hit + from.size();
  }
  return out.append(text, at);
}

std::string collapsed(const std::string& text, const std::string& of, const std::string& to) {
  std::string out;
  out.reserve(text.size());
  size_t at = 0;
  while (at < text.size()) {
    size_t end = at;
    while (text.compare(end, of.size(), of) == 0) end += of.size();
    if (end >= at + 2 * of.size()) {
      out += to;
    } else if (end > at) {
      out += of;
    } else {
      out += text[end++];
    }
    at = end;
  }
  return out;
}

std::string composed(const std::string& text) {
  utf8proc_uint8_t* out = nullptr;
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  const auto* in = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const utf8proc_ssize_t bytes = utf8proc_map(in, static_cast<utf8proc_ssize_t>(text.size()), &out, options);
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(out, &std::free);
  return bytes < 0 ? text : std::string(reinterpret_cast<const char*>(out), static_cast<size_t>(bytes));
}

std::string joined_words(const std::string& text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = text.find_first_not_of(kAsciiSpaces); at != std::string::npos;) {
    const size_t end = text.find_first_of(kAsciiSpaces, at);
    if (!out.empty()) out += ' ';
    out.append(text, at, end == std::string::npos ? end : end - at);
    at = text.find_first_not_of(kAsciiSpaces, end);
  }
  return out;
}

struct Apply {
  const FragmentPlace& place;
  std::string text;

  void operator()(const PrependStep& step) {
    if (text.empty() || !prefix_applies(step.at, place)) return;
    if (step.unless_there && text.compare(0, step.text.size(), step.text) == 0) return;
    text.insert(0, step.text);
  }
  void operator()(const ReplaceStep& step) { text = replaced(text, step.from, step.to); }
  void operator()(const CollapseStep& step) { text = collapsed(text, step.of, step.to); }
  void operator()(const SqueezeSpacesStep&) {
    text = collapsed(stripped(text, place.starts_text, place.ends_text, " "), " ", " ");
  }
  void operator()(const StripStep& step) { text = stripped(text, step.left, step.right, kAsciiSpaces); }
  void operator()(const ComposeStep&) { text = composed(text); }
  void operator()(const JoinWordsStep&) { text = joined_words(text); }
  void operator()(const Charsmap& map) { text = map.apply(text); }
};

}  // namespace

std::string TextRules::apply(std::string_view fragment, const FragmentPlace& place) const {
  Apply apply{place, std::string(fragment)};
  for (const TextStep& step : steps) std::visit(apply, step);
  return std::move(apply.text);
}

}  // namespace siskin
