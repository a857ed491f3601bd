// Progress on stderr: a bar with rate and ETA on a terminal, or JSON lines.
#include "examples/siskin/cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "examples/siskin/cli/units.h"

namespace siskin::cli {
namespace {

constexpr auto kInterval = std::chrono::milliseconds(100);
constexpr size_t kBarWidth = 30;

std::string duration(double seconds) {
  const auto whole = static_cast<uint64_t>(seconds + 0.5);
  if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

}  // namespace

Progress::Progress(std::string stage, std::string unit, ProgressMode mode)
    : stage_(std::move(stage)), unit_(std::move(unit)), mode_(mode) {
  if (mode_ == ProgressMode::automatic && isatty(STDERR_FILENO) == 0) mode_ = ProgressMode::off;
}

Progress::~Progress() { clear(); }

void Progress::update(uint64_t done, uint64_t total) {
  if (mode_ == ProgressMode::off || total == 0) return;
  const auto now = Clock::now();
  if (done < total && now - last_ < kInterval) return;
  last_ = now;
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  const double rate = elapsed > 0 ? static_cast<double>(done) / elapsed : 0;
  const double eta_s = rate > 0 ? static_cast<double>(total - std::min(done, total)) / rate : 0;
  if (mode_ == ProgressMode::json)
    print_line(done, total, rate, eta_s);
  else
    draw_bar(done, total, rate, eta_s);
}

void Progress::clear() {
  if (!shown_) return;
  fmt::print(stderr, "\r\033[K");
  std::fflush(stderr);
  shown_ = false;
}

void Progress::draw_bar(uint64_t done, uint64_t total, double rate, double eta_s) {
  const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const auto filled = static_cast<size_t>(share * kBarWidth);
  const std::string speed = unit_ == "B" ? human_bytes(rate) + "/s" : fmt::format("{:.4g} {}/s", rate, unit_);
  fmt::print(stderr, "\r\033[K{} [{}{}] {:3.0f}%  {}  ETA {}", stage_, std::string(filled, '#'),
             std::string(kBarWidth - filled, '.'), share * 100, speed, duration(eta_s));
  std::fflush(stderr);
  shown_ = true;
}

void Progress::print_line(uint64_t done, uint64_t total, double rate, double eta_s) const {
  const nlohmann::ordered_json line = {{"stage", stage_}, {"unit", unit_}, {"done", done},
                                       {"total", total},  {"rate", rate},  {"eta_s", eta_s}};
  fmt::print(stderr, "{}\n", line.dump());
  std::fflush(stderr);
}

}  // namespace siskin::cli
