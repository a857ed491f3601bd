// Another program measured in turn with ours, through the JSON of llama-bench.
#include "bench/siskin_bench/peer.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

namespace siskin::bench {
namespace {

// Peers may print lines about devices before the document: it starts at the first line that begins with '[' or '{'.
std::string from_document(const std::string& text) {
  for (size_t begin = 0; begin < text.size();) {
    if (text[begin] == '[' || text[begin] == '{') return text.substr(begin);
    const size_t newline = text.find('\n', begin);
    if (newline == std::string::npos) break;
    begin = newline + 1;
  }
  return {};
}

uint64_t number_at(const nlohmann::json& row, const char* key) {
  const auto found = row.find(key);
  return found != row.end() && found->is_number_unsigned() ? found->get<uint64_t>() : 0;
}

bool matches(const nlohmann::json& row, const Test& test) {
  if (!row.is_object() || !row.contains("avg_ts") || !row["avg_ts"].is_number()) return false;
  const bool prefill = test.phase == Phase::prefill;
  if (number_at(row, "n_prompt") != (prefill ? test.n : 0)) return false;
  if (number_at(row, "n_gen") != (prefill ? 0 : test.n)) return false;
  return !row.contains("n_threads") || number_at(row, "n_threads") == test.threads;
}

}  // namespace

Result<nlohmann::json> run_peer(const std::string& command) {
  std::fflush(stdout);
  std::FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return Error{ErrorCode::io, fmt::format("--peer: {}", std::strerror(errno))};
  std::string text;
  char buffer[1 << 14];
  while (const size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) text.append(buffer, n);
  const int status = pclose(pipe);
  if (status != 0)
    return Error{ErrorCode::io, WIFEXITED(status) ? fmt::format("--peer: the command ended with status {}", WEXITSTATUS(status))
                                                  : std::string("--peer: the command was killed")};
  auto rows = nlohmann::json::parse(from_document(text), nullptr, /*allow_exceptions=*/false);
  if (rows.is_object()) rows = nlohmann::json::array({std::move(rows)});
  if (!rows.is_array() || rows.empty())
    return Error{ErrorCode::corrupt_file, "--peer: the command printed no JSON rows (llama-bench needs -o json)"};
  return rows;
}

Result<double> peer_speed(const nlohmann::json& rows, const Test& test) {
  for (const auto& row : rows) {
    if (!matches(row, test)) continue;
    const double speed = row["avg_ts"].get<double>();
    if (speed > 0) return speed;
  }
  return Error{ErrorCode::not_found,
               fmt::format("--peer: no row for {} with {} threads in what the command printed", test.name(), test.threads)};
}

}  // namespace siskin::bench
