// Appending and reading of trials.jsonl.
#include "selector/trials.h"

#include <fmt/format.h>

#include <ctime>
#include <fstream>
#include <iterator>

namespace siskin::selector {

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  const size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return std::string(text, size);
}

Result<TrialLog> TrialLog::open(const std::filesystem::path& file) {
  TrialLog log;
  log.file_ = file;
  std::string text;
  if (std::ifstream in(file, std::ios::binary); in)
    text.assign(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  size_t whole = 0;
  for (size_t begin = 0, end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = whole = end + 1) {
    auto line = nlohmann::json::parse(text.begin() + static_cast<std::ptrdiff_t>(begin),
                                      text.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
    const bool sound = line.is_object() && line.value("kind", nlohmann::json()).is_string() &&
                       line.value("key", nlohmann::json()).is_string() && line.contains("data");
    if (!sound) continue;
    const auto id = std::pair{line["kind"].get<std::string>(), line["key"].get<std::string>()};
    log.trials_[id] = std::move(line);
  }
  if (whole < text.size()) {
    std::error_code error;
    std::filesystem::resize_file(file, whole, error);
    if (error) return Error{ErrorCode::io, fmt::format("{}: {}", file.string(), error.message())};
  }
  return log;
}

const nlohmann::json* TrialLog::find(const std::string& kind, const std::string& key) const {
  const auto found = trials_.find({kind, key});
  return found == trials_.end() ? nullptr : &found->second["data"];
}

Status TrialLog::append(const std::string& kind, const std::string& key, const std::string& candidate, nlohmann::json data) {
  nlohmann::json line = {{"kind", kind}, {"key", key}, {"candidate", candidate}, {"at", utc_now()}, {"data", std::move(data)}};
  std::ofstream out(file_, std::ios::binary | std::ios::app);
  out << line.dump() << '\n' << std::flush;
  if (!out) return Error{ErrorCode::io, fmt::format("{}: cannot be written", file_.string())};
  trials_[{kind, key}] = std::move(line);
  return {};
}

}  // namespace siskin::selector
