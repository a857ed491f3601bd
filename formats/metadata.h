// Metadata: a model's key-value pairs in GGUF's vocabulary, whichever file they came from.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <siskin/result.h>

namespace siskin {

// Integers of any width widen to int64 or uint64, floats to double; arrays keep one of four element kinds.
using MetaValue = std::variant<bool, int64_t, uint64_t, double, std::string, std::vector<bool>, std::vector<int64_t>,
                               std::vector<double>, std::vector<std::string>>;

class Metadata {
 public:
  void set(std::string key, MetaValue value) { values_[std::move(key)] = std::move(value); }
  bool has(std::string_view key) const { return find(key) != nullptr; }
  const MetaValue* find(std::string_view key) const;
  const std::map<std::string, MetaValue, std::less<>>& all() const { return values_; }

  // Absent key: an error of code not_found. Wrong type or negative where unsigned is asked: corrupt_file. Both name the key.
  Result<uint64_t> u64(std::string_view key) const;
  Result<double> f64(std::string_view key) const;  // accepts integers
  Result<bool> boolean(std::string_view key) const;
  Result<std::string> string(std::string_view key) const;
  // Absent key: the fallback. Wrong type: an error.
  Result<uint64_t> u64_or(std::string_view key, uint64_t fallback) const;
  Result<double> f64_or(std::string_view key, double fallback) const;
  Result<bool> boolean_or(std::string_view key, bool fallback) const;
  Result<std::string> string_or(std::string_view key, std::string fallback) const;
  // nullptr when absent or of another kind.
  const std::vector<std::string>* strings(std::string_view key) const;
  const std::vector<int64_t>* ints(std::string_view key) const;
  const std::vector<double>* doubles(std::string_view key) const;

 private:
  std::map<std::string, MetaValue, std::less<>> values_;
};

}  // namespace siskin
