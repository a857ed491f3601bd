#include "formats/metadata.h"

#include <iterator>

#include "formats/files/error_text.h"

namespace siskin {
namespace {

Error absent(std::string_view key) { return {ErrorCode::not_found, "metadata: key " + in_quotes(key) + " is absent"}; }

Error wrong_kind(std::string_view key, const char* expected, const MetaValue& value) {
  constexpr const char* kKinds[] = {"a bool",
                                    "a signed integer",
                                    "an unsigned integer",
                                    "a float",
                                    "a string",
                                    "an array of bools",
                                    "an array of integers",
                                    "an array of floats",
                                    "an array of strings"};
  static_assert(std::variant_size_v<MetaValue> == std::size(kKinds));
  return {ErrorCode::corrupt_file,
          "metadata: key " + in_quotes(key) + ": expected " + expected + ", got " + kKinds[value.index()]};
}

Result<uint64_t> as_u64(std::string_view key, const MetaValue& value) {
  if (const auto* unsigned_value = std::get_if<uint64_t>(&value)) return *unsigned_value;
  if (const auto* signed_value = std::get_if<int64_t>(&value)) {
    if (*signed_value >= 0) return static_cast<uint64_t>(*signed_value);
    return Error{ErrorCode::corrupt_file,
                 "metadata: key " + in_quotes(key) + ": expected an unsigned integer, got " + std::to_string(*signed_value)};
  }
  return wrong_kind(key, "an unsigned integer", value);
}

Result<double> as_f64(std::string_view key, const MetaValue& value) {
  if (const auto* float_value = std::get_if<double>(&value)) return *float_value;
  if (const auto* unsigned_value = std::get_if<uint64_t>(&value)) return static_cast<double>(*unsigned_value);
  if (const auto* signed_value = std::get_if<int64_t>(&value)) return static_cast<double>(*signed_value);
  return wrong_kind(key, "a number", value);
}

Result<bool> as_boolean(std::string_view key, const MetaValue& value) {
  if (const auto* bool_value = std::get_if<bool>(&value)) return *bool_value;
  return wrong_kind(key, "a bool", value);
}

Result<std::string> as_string(std::string_view key, const MetaValue& value) {
  if (const auto* string_value = std::get_if<std::string>(&value)) return *string_value;
  return wrong_kind(key, "a string", value);
}

}  // namespace

const MetaValue* Metadata::find(std::string_view key) const {
  const auto entry = values_.find(key);
  return entry == values_.end() ? nullptr : &entry->second;
}

Result<uint64_t> Metadata::u64(std::string_view key) const {
  const MetaValue* value = find(key);
  return value != nullptr ? as_u64(key, *value) : absent(key);
}

Result<double> Metadata::f64(std::string_view key) const {
  const MetaValue* value = find(key);
  return value != nullptr ? as_f64(key, *value) : absent(key);
}

Result<bool> Metadata::boolean(std::string_view key) const {
  const MetaValue* value = find(key);
  return value != nullptr ? as_boolean(key, *value) : absent(key);
}

Result<std::string> Metadata::string(std::string_view key) const {
  const MetaValue* value = find(key);
  return value != nullptr ? as_string(key, *value) : absent(key);
}

Result<uint64_t> Metadata::u64_or(std::string_view key, uint64_t fallback) const {
  const MetaValue* value = find(key);
  return value != nullptr ? as_u64(key, *value) : fallback;
}

Result<double> Metadata::f64_or(std::string_view key, double fallback) const {
  const MetaValue* value = find(key);
  return value != nullptr ? as_f64(key, *value) : fallback;
}

Result<bool> Metadata::boolean_or(std::string_view key, bool fallback) const {
  const MetaValue* value = find(key);
  return value != nullptr ? as_boolean(key, *value) : fallback;
}

Result<std::string> Metadata::string_or(std::string_view key, std::string fallback) const {
  const MetaValue* value = find(key);
  return value != nullptr ? as_string(key, *value) : std::move(fallback);
}

const std::vector<std::string>* Metadata::strings(std::string_view key) const {
  const MetaValue* value = find(key);
  return value != nullptr ? std::get_if<std::vector<std::string>>(value) : nullptr;
}

const std::vector<int64_t>* Metadata::ints(std::string_view key) const {
  const MetaValue* value = find(key);
  return value != nullptr ? std::get_if<std::vector<int64_t>>(value) : nullptr;
}

const std::vector<double>* Metadata::doubles(std::string_view key) const {
  const MetaValue* value = find(key);
  return value != nullptr ? std::get_if<std::vector<double>>(value) : nullptr;
}

}  // namespace siskin
