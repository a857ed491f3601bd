#include "formats/files/hf/config_reader.h"

#include <limits>

#include "formats/files/error_text.h"

namespace siskin {
namespace {

constexpr uint64_t kMaxCount = uint64_t{1} << 31;

bool is_positive(const nlohmann::json& value) {
  return value.is_number() && value.get<double>() > 0 && value.get<double>() <= double{std::numeric_limits<float>::max()};
}

}  // namespace

const nlohmann::json* HfConfigReader::find(const char* key) const {
  const auto found = object_.find(key);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

Result<uint64_t> HfConfigReader::count(const char* key) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return corrupt_file(file_, "no " + in_quotes(key));
  if (!value->is_number_unsigned() || value->get<uint64_t>() == 0 || value->get<uint64_t>() > kMaxCount) {
    return corrupt_file(file_, in_quotes(key) + " is " + in_quotes(value->dump()) + ", expected a whole number from 1 to 2^31");
  }
  return value->get<uint64_t>();
}

Result<uint64_t> HfConfigReader::count_or(const char* key, uint64_t fallback) const {
  if (find(key) == nullptr) return fallback;
  return count(key);
}

Result<uint64_t> HfConfigReader::count_or_zero(const char* key, uint64_t fallback) const {
  if (const nlohmann::json* value = find(key); value != nullptr && *value == 0) return uint64_t{0};
  return count_or(key, fallback);
}

Result<double> HfConfigReader::positive(const char* key) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return corrupt_file(file_, "no " + in_quotes(key));
  if (!is_positive(*value)) {
    return corrupt_file(file_, in_quotes(key) + " is " + in_quotes(value->dump()) + ", expected a number above 0");
  }
  return value->get<double>();
}

Result<double> HfConfigReader::positive_or(const char* key, double fallback) const {
  if (find(key) == nullptr) return fallback;
  return positive(key);
}

Result<std::vector<float>> HfConfigReader::positives(const char* key) const {
  const nlohmann::json* list = find(key);
  if (list == nullptr) return corrupt_file(file_, "no " + in_quotes(key));
  if (!list->is_array()) return corrupt_file(file_, in_quotes(key) + " is not a list of numbers above 0");
  std::vector<float> values;
  values.reserve(list->size());
  for (const nlohmann::json& value : *list) {
    if (!is_positive(value)) return corrupt_file(file_, in_quotes(key) + " is not a list of numbers above 0");
    values.push_back(value.get<float>());
  }
  return values;
}

Result<bool> HfConfigReader::flag(const char* key, bool fallback) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_boolean())
    return corrupt_file(file_, in_quotes(key) + " is " + in_quotes(value->dump()) + ", expected true or false");
  return value->get<bool>();
}

Result<std::string> HfConfigReader::text_or(const char* key, const std::string& fallback) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_string())
    return corrupt_file(file_, in_quotes(key) + " is " + in_quotes(value->dump()) + ", expected a string");
  return value->get<std::string>();
}

}  // namespace siskin
