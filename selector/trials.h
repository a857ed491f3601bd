// TrialLog: every measurement as one line of JSON, appended as soon as it is done, found again by its key when a run resumes.
#pragma once

#include <siskin/result.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace siskin::selector {

class TrialLog {
 public:
  // Reads what is there; a last line cut short by a crash is dropped. Errors: io.
  static Result<TrialLog> open(const std::filesystem::path& file);

  // kind: "quality" or "profile". key: a hash over everything that the measurement depends on.
  const nlohmann::json* find(const std::string& kind, const std::string& key) const;
  Status append(const std::string& kind, const std::string& key, const std::string& candidate, nlohmann::json data);

  // Every line, by kind and key.
  const std::map<std::pair<std::string, std::string>, nlohmann::json>& all() const { return trials_; }

 private:
  std::filesystem::path file_;
  std::map<std::pair<std::string, std::string>, nlohmann::json> trials_;
};

// "2026-11-24T08:12:00Z"
std::string utc_now();

}  // namespace siskin::selector
