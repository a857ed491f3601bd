#include "formats/files/checked_json.h"

#include <cstring>
#include <set>
#include <vector>

#include "formats/files/error_text.h"

namespace siskin {
namespace {

using nlohmann::json;

constexpr int kMaxDepth = 32;                   // config.json nests four deep
constexpr size_t kMaxValues = size_t{4} << 20;  // a header of 400,000 tensors; bounds memory at some 100 bytes each

// Watches the parser: what JSON allows and we do not. Values are dropped from the first fault on.
class Watcher {
 public:
  bool operator()(int depth, json::parse_event_t event, const json& parsed) {
    if (!fault_.empty()) return false;
    if (event == json::parse_event_t::object_end || event == json::parse_event_t::array_end) {
      if (event == json::parse_event_t::object_end) keys_.pop_back();
      return true;
    }
    if (depth > kMaxDepth) fault_ = "nested deeper than " + std::to_string(kMaxDepth);
    if (++values_ > kMaxValues) fault_ = "more than " + std::to_string(kMaxValues) + " values";
    if (event == json::parse_event_t::object_start) keys_.emplace_back();
    if (event == json::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!keys_.back().insert(key).second) fault_ = "key " + in_quotes(key) + " appears twice";
    }
    return fault_.empty();
  }

  const std::string& fault() const { return fault_; }

 private:
  std::vector<std::set<std::string>> keys_;  // of the objects that are open
  size_t values_ = 0;
  std::string fault_;
};

}  // namespace

Result<json> parse_json_object(std::span<const std::byte> text, const std::string& file, size_t base) {
  const char* begin = reinterpret_cast<const char*>(text.data());
  // The parser takes a NUL for the end of its input and would not look at what follows.
  if (const void* nul = text.empty() ? nullptr : std::memchr(begin, '\0', text.size())) {
    return corrupt_at(file, base + static_cast<size_t>(static_cast<const char*>(nul) - begin), "invalid JSON");
  }
  Watcher watcher;
  try {
    json parsed = json::parse(begin, begin + text.size(), [&watcher](int depth, json::parse_event_t event, json& value) {
      return watcher(depth, event, value);
    });
    if (!watcher.fault().empty()) return corrupt_at(file, base, "JSON: " + watcher.fault());
    if (!parsed.is_object()) return corrupt_at(file, base, "JSON: expected an object, got " + std::string(parsed.type_name()));
    return parsed;
  } catch (const json::parse_error& error) {
    return corrupt_at(file, base + (error.byte == 0 ? 0 : error.byte - 1), "invalid JSON");
  } catch (const json::exception&) {  // a number that no double holds
    return corrupt_at(file, base, "invalid JSON: a number is out of range");
  }
}

}  // namespace siskin
