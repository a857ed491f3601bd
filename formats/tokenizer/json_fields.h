// Typed access to the members of a JSON object, with errors that name the file and the member. Nothing here throws.
#pragma once

#include <siskin/result.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace siskin {

// One JSON value together with the path that errors call it by ("tokenizer.json: model.vocab").
class JsonView {
 public:
  JsonView(const nlohmann::json& value, std::string path) : value_(&value), path_(std::move(path)) {}

  // The member, or nothing if it is absent or null, or if this is no object.
  std::optional<JsonView> member(const char* key) const;
  JsonView element(size_t index) const;  // REQUIRES: is_array(), index < size()

  bool is_object() const { return value_->is_object(); }
  bool is_array() const { return value_->is_array(); }
  bool is_string() const { return value_->is_string(); }
  bool is_number() const { return value_->is_number(); }
  bool is_integer() const { return value_->is_number_integer(); }
  size_t size() const { return value_->size(); }
  const nlohmann::json& json() const { return *value_; }
  const std::string& path() const { return path_; }

  // Errors: corrupt_file (another type, out of range).
  Result<std::string> string() const;
  Result<bool> boolean() const;
  Result<double> number() const;
  Result<int32_t> id() const;  // an integer from 0 to 2^31 - 1

  // A member's value; the fallback if it is absent or null.
  Result<std::string> string_or(const char* key, std::string fallback) const;
  Result<bool> boolean_or(const char* key, bool fallback) const;

  Error corrupt(const std::string& what) const { return {ErrorCode::corrupt_file, path_ + ": " + what}; }
  Error unsupported(const std::string& what) const { return {ErrorCode::unsupported, path_ + ": " + what}; }

 private:
  const nlohmann::json* value_;
  std::string path_;
};

// Errors: corrupt_file (no JSON, or not an object).
Result<nlohmann::json> parse_json_object(std::string_view text, const std::string& file_name);

}  // namespace siskin
