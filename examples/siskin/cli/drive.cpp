// Loading, running and reading for the programs, with progress and Ctrl-C in one place.
#include "examples/siskin/cli/drive.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <sstream>
#include <utility>

#include "examples/siskin/cli/interrupt.h"

namespace siskin::cli {

Result<std::shared_ptr<const Model>> load_model(const std::string& path, const LoadFlags& flags) {
  Progress progress("load", "B", flags.progress);
  LoadOptions options;
  options.threads = flags.threads;
  options.ctx = flags.ctx;
  options.copy_packed = flags.copy_packed;
  options.ram_bytes = flags.ram_bytes;
  options.overlay = flags.overlay;
  options.on_progress = [&](uint64_t done, uint64_t total) {
    progress.update(done, total);
    return !interrupted();
  };
  return Model::load(path, options);
}

Result<std::shared_ptr<const MachineProfile>> machine_for(MachineNeed need, ProgressMode progress) {
  constexpr uint64_t kSteps = 1000;
  Progress bar("measure this machine", "steps", progress);
  MachineOptions options;
  options.measure = need == MachineNeed::measured;
  options.on_progress = [&](double fraction) { bar.update(static_cast<uint64_t>(fraction * kSteps), kSteps); };
  auto profile = machine_profile(options);
  if (!profile) return profile;
  if ((*profile)->read_gb_s.empty()) return std::shared_ptr<const MachineProfile>();
  return profile;
}

Result<Completion> run_to_end(Session& session, Request request) {
  auto id = session.submit(std::move(request));
  if (!id) return std::move(id).error();
  bool cancelling = false;
  for (;;) {
    if (interrupted() && !std::exchange(cancelling, true)) session.cancel(*id);
    auto more = session.step();
    if (!more) return std::move(more).error();
    if (!*more) break;
  }
  auto completion = session.take(*id);
  if (!completion) return Error{ErrorCode::io, "the request ended without a completion"};
  return *std::move(completion);
}

Result<std::string> read_text(const std::string& path) {
  std::FILE* file = path == "-" ? stdin : std::fopen(path.c_str(), "rb");
  if (file == nullptr) {
    const auto code = errno == ENOENT ? ErrorCode::not_found : ErrorCode::io;
    return Error{code, fmt::format("{}: {}", path, std::strerror(errno))};
  }
  std::string text;
  char buffer[1 << 16];
  while (const size_t n = std::fread(buffer, 1, sizeof buffer, file)) text.append(buffer, n);
  const bool failed = std::ferror(file) != 0;
  const int reason = errno;
  if (file != stdin) std::fclose(file);
  if (failed) return Error{ErrorCode::io, fmt::format("{}: {}", path, std::strerror(reason))};
  return text;
}

Result<std::vector<nlohmann::json>> read_json_lines(const std::string& path) {
  auto text = read_text(path);
  if (!text) return std::move(text).error();
  std::vector<nlohmann::json> lines;
  std::istringstream stream(*std::move(text));
  size_t number = 0;
  for (std::string line; std::getline(stream, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    auto value = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (value.is_discarded()) return Error{ErrorCode::corrupt_file, fmt::format("{}:{}: not JSON", path, number)};
    lines.push_back(std::move(value));
  }
  if (lines.empty()) return Error{ErrorCode::corrupt_file, fmt::format("{}: no lines, expected JSON lines", path)};
  return lines;
}

nlohmann::ordered_json cost_json(const Cost& cost) { return nlohmann::ordered_json::parse(to_json(cost)); }

double per_second(size_t tokens, double seconds) { return seconds > 0 ? static_cast<double>(tokens) / seconds : 0; }

}  // namespace siskin::cli
