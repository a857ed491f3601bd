// Typed reads from a TOML table, with messages that name the file, the line, the key, what was expected and what is there.
#include "selector/config_reader.h"

#include <fmt/format.h>

#include <cmath>

#include "selector/config_keys.h"

namespace siskin::selector {
namespace {

std::string heading(std::string_view section) { return section.empty() ? "at the top level" : fmt::format("in [{}]", section); }

std::string described(const toml::node& node) {
  if (const auto value = node.value_exact<std::string>()) return fmt::format("\"{}\"", *value);
  if (const auto value = node.value_exact<int64_t>()) return std::to_string(*value);
  if (const auto value = node.value_exact<double>()) return fmt::format("{}", *value);
  if (const auto value = node.value_exact<bool>()) return *value ? "true" : "false";
  if (node.is_table()) return "a table";
  if (node.is_array()) return "an array";
  return "a date or time";
}

std::string joined(std::initializer_list<std::string_view> words) {
  std::string out;
  for (const auto word : words) out += fmt::format("{}\"{}\"", out.empty() ? "" : ", ", word);
  return out;
}

}  // namespace

void ConfigReader::fail(const toml::source_region& where, const std::string& what) {
  if (!error_) error_ = Error{ErrorCode::invalid_argument, fmt::format("{}:{}: {}", file_name_, where.begin.line, what)};
}

void ConfigReader::check_keys(const toml::table& table, std::string_view section) {
  for (const auto& [key, node] : table) {
    const KnownKey* known = find_key(section, key.str());
    if (known == nullptr) {
      fail(key.source(), fmt::format("unknown key '{}' {}; the nearest known name is '{}'", key.str(), heading(section),
                                     nearest_key(section, key.str())));
    } else if (!known->built) {
      fail(key.source(), fmt::format("key '{}' {} is known but not built yet", key.str(), heading(section)));
    }
  }
}

std::optional<double> ConfigReader::number(const toml::table& table, std::string_view key, double low, double high) {
  const toml::node* node = table.get(key);
  if (node == nullptr) return std::nullopt;
  const auto value = node->is_number() ? node->value<double>() : std::nullopt;
  if (!value || !std::isfinite(*value) || *value < low || *value > high) {
    fail(node->source(), fmt::format("{}: expected a number from {} to {}, got {}", key, low, high, described(*node)));
    return std::nullopt;
  }
  return value;
}

std::optional<size_t> ConfigReader::count(const toml::table& table, std::string_view key, size_t low, size_t high) {
  const toml::node* node = table.get(key);
  if (node == nullptr) return std::nullopt;
  const auto value = node->value_exact<int64_t>();
  if (!value || *value < 0 || static_cast<size_t>(*value) < low || static_cast<size_t>(*value) > high) {
    fail(node->source(), fmt::format("{}: expected a whole number from {} to {}, got {}", key, low, high, described(*node)));
    return std::nullopt;
  }
  return static_cast<size_t>(*value);
}

std::optional<std::string> ConfigReader::text(const toml::table& table, std::string_view key) {
  const toml::node* node = table.get(key);
  if (node == nullptr) return std::nullopt;
  const auto value = node->value_exact<std::string>();
  if (!value || value->empty() || value->find('\0') != std::string::npos) {
    fail(node->source(), fmt::format("{}: expected a text, got {}", key, described(*node)));
    return std::nullopt;
  }
  return value;
}

std::optional<std::string> ConfigReader::one_of(const toml::table& table, std::string_view key,
                                                std::initializer_list<std::string_view> built,
                                                std::initializer_list<std::string_view> known_only) {
  auto value = text(table, key);
  if (!value) return std::nullopt;
  for (const auto word : built) {
    if (*value == word) return value;
  }
  const toml::source_region where = table.get(key)->source();
  for (const auto word : known_only) {
    if (*value == word)
      fail(where, fmt::format("{} = \"{}\" is known but not built yet; built are {}", key, word, joined(built)));
  }
  fail(where, fmt::format("{}: expected one of {}, got \"{}\"; the nearest is \"{}\"", key, joined(built), *value,
                          nearest_of(*value, {built.begin(), built.size()})));
  return std::nullopt;
}

const toml::table* ConfigReader::table(const toml::table& parent, std::string_view key) {
  const toml::node* node = parent.get(key);
  if (node == nullptr) return nullptr;
  if (!node->is_table()) fail(node->source(), fmt::format("{}: expected a table, got {}", key, described(*node)));
  return node->as_table();
}

std::vector<const toml::table*> ConfigReader::tables(const toml::table& parent, std::string_view key) {
  std::vector<const toml::table*> out;
  const toml::node* node = parent.get(key);
  if (node == nullptr) return out;
  const toml::array* array = node->as_array();
  if (array == nullptr || !array->is_array_of_tables()) {
    fail(node->source(), fmt::format("{}: expected [[{}]] tables, got {}", key, key, described(*node)));
    return out;
  }
  for (const auto& element : *array) out.push_back(element.as_table());
  return out;
}

}  // namespace siskin::selector
