#include "engine/text_stream.h"

#include <algorithm>

namespace siskin {
namespace {

// Length of the part of `bytes` that ends with a whole UTF-8 character (bytes that are no UTF-8 at all count as whole).
size_t whole_characters(std::string_view bytes) {
  for (size_t back = 1; back <= std::min<size_t>(3, bytes.size()); ++back) {
    const auto lead = static_cast<unsigned char>(bytes[bytes.size() - back]);
    if ((lead & 0xc0) == 0x80) continue;
    const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    return length > back ? bytes.size() - back : bytes.size();
  }
  return bytes.size();
}

// Length of the longest end of `bytes` that is a proper beginning of `stop`.
size_t overlap(std::string_view bytes, std::string_view stop) {
  for (size_t n = std::min(bytes.size(), stop.size() - 1); n > 0; --n) {
    if (bytes.ends_with(stop.substr(0, n))) return n;
  }
  return 0;
}

}  // namespace

std::string_view TextStream::push(std::string_view bytes) {
  shown_.clear();
  if (stopped_) return shown_;
  pending_ += bytes;
  size_t end = std::string::npos, held = 0;
  for (const std::string& stop : stops_) {
    if (stop.empty()) continue;
    end = std::min(end, pending_.find(stop));
    held = std::max(held, overlap(pending_, stop));
  }
  if (end != std::string::npos) {
    stopped_ = true;
    shown_ = pending_.substr(0, end);
    pending_.clear();
  } else {
    const size_t ready = whole_characters(std::string_view(pending_).substr(0, pending_.size() - held));
    shown_ = pending_.substr(0, ready);
    pending_.erase(0, ready);
  }
  text_ += shown_;
  return shown_;
}

void TextStream::finish() {
  if (!stopped_) text_ += pending_;
  pending_.clear();
}

}  // namespace siskin
