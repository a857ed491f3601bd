// ConfigReader: typed access to a TOML table that remembers the first mistake with its line, so that reading stays flat.
#pragma once

#include <siskin/result.h>
#include <toml++/toml.h>

#include <filesystem>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace siskin::selector {

class ConfigReader {
 public:
  explicit ConfigReader(std::string file_name) : file_name_(std::move(file_name)) {}

  bool failed() const { return error_.has_value(); }
  const Error& error() const { return *error_; }

  // Keeps the first mistake only: those after it are often its consequences.
  void fail(const toml::source_region& where, const std::string& what);

  // Every key of the table must be known in this section and built.
  void check_keys(const toml::table& table, std::string_view section);

  // Absent keys leave the optional empty; a wrong type or range fails.
  std::optional<double> number(const toml::table& table, std::string_view key, double low, double high);
  std::optional<size_t> count(const toml::table& table, std::string_view key, size_t low, size_t high);
  std::optional<std::string> text(const toml::table& table, std::string_view key);
  std::optional<std::string> one_of(const toml::table& table, std::string_view key,
                                    std::initializer_list<std::string_view> built,
                                    std::initializer_list<std::string_view> known_only = {});
  const toml::table* table(const toml::table& parent, std::string_view key);
  std::vector<const toml::table*> tables(const toml::table& parent, std::string_view key);

 private:
  std::string file_name_;
  std::optional<Error> error_;
};

}  // namespace siskin::selector
