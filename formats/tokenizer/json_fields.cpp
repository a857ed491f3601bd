// JsonView: type checks in front of nlohmann-json, whose own accessors throw.
#include "formats/tokenizer/json_fields.h"

#include <utility>

#include "formats/try.h"

namespace siskin {

std::optional<JsonView> JsonView::member(const char* key) const {
  if (!value_->is_object()) return std::nullopt;
  const auto it = value_->find(key);
  if (it == value_->end() || it->is_null()) return std::nullopt;
  return JsonView(*it, path_ + (path_.back() == ':' ? " " : ".") + key);
}

JsonView JsonView::element(size_t index) const { return JsonView((*value_)[index], path_ + "[" + std::to_string(index) + "]"); }

Result<std::string> JsonView::string() const {
  if (!value_->is_string()) return corrupt(std::string("expected a string, got ") + value_->type_name());
  return value_->get_ref<const std::string&>();
}

Result<bool> JsonView::boolean() const {
  if (!value_->is_boolean()) return corrupt(std::string("expected true or false, got ") + value_->type_name());
  return value_->get<bool>();
}

Result<double> JsonView::number() const {
  if (!value_->is_number()) return corrupt(std::string("expected a number, got ") + value_->type_name());
  return value_->get<double>();
}

Result<int32_t> JsonView::id() const {
  const bool in_range = value_->is_number_unsigned() && value_->get<uint64_t>() <= INT32_MAX;
  if (!in_range) return corrupt("expected an id of 0 or more");
  return static_cast<int32_t>(value_->get<uint64_t>());
}

Result<std::string> JsonView::string_or(const char* key, std::string fallback) const {
  const auto field = member(key);
  return field ? field->string() : Result<std::string>(std::move(fallback));
}

Result<bool> JsonView::boolean_or(const char* key, bool fallback) const {
  const auto field = member(key);
  return field ? field->boolean() : Result<bool>(fallback);
}

Result<nlohmann::json> parse_json_object(std::string_view text, const std::string& file_name) {
  nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return Error{ErrorCode::corrupt_file, file_name + ": not valid JSON"};
  if (!json.is_object()) return Error{ErrorCode::corrupt_file, file_name + ": expected an object"};
  return json;
}

}  // namespace siskin
