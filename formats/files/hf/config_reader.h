// A config.json's members, read by type. A null member is an absent one, as in Python.
#pragma once

#include <siskin/result.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace siskin {

// Every error names the file. It owns nothing.
class HfConfigReader {
 public:
  HfConfigReader(const nlohmann::json& object, const std::string& file) : object_(object), file_(file) {}

  const nlohmann::json* find(const char* key) const;
  const std::string& file() const { return file_; }

  // A whole number from 1 to 2^31, so that products of two fit in 64 bits; with 0 where that is allowed.
  Result<uint64_t> count(const char* key) const;
  Result<uint64_t> count_or(const char* key, uint64_t fallback) const;
  Result<uint64_t> count_or_zero(const char* key, uint64_t fallback) const;
  // A number above 0 that F32 holds.
  Result<double> positive(const char* key) const;
  Result<double> positive_or(const char* key, double fallback) const;
  Result<std::vector<float>> positives(const char* key) const;  // a list of such
  Result<bool> flag(const char* key, bool fallback = false) const;
  Result<std::string> text_or(const char* key, const std::string& fallback) const;

 private:
  const nlohmann::json& object_;
  const std::string& file_;
};

}  // namespace siskin
