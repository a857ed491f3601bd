// Progress on stderr: a bar with rate and ETA where stderr is a terminal, JSON lines where asked for, otherwise silence.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace siskin::cli {

enum class ProgressMode { automatic, json, off };

class Progress {
 public:
  // `stage` names the work ("load"), `unit` what is counted ("B" is shown as bytes).
  Progress(std::string stage, std::string unit, ProgressMode mode);
  ~Progress();  // takes the bar away
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // REQUIRES: called by one thread at a time.
  void update(uint64_t done, uint64_t total);
  // Takes the bar away until the next update, so that something else can be printed.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  void draw_bar(uint64_t done, uint64_t total, double rate, double eta_s);
  void print_line(uint64_t done, uint64_t total, double rate, double eta_s) const;

  std::string stage_, unit_;
  ProgressMode mode_;
  bool shown_ = false;
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_{};
};

}  // namespace siskin::cli
