// CommandLine: one command's flags, exit codes and one-line errors; the same in every program here.
#pragma once

#include <siskin/kv_type.h>
#include <siskin/result.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "examples/siskin/cli/progress.h"

namespace siskin::cli {

inline constexpr int kFailedExit = 1;
inline constexpr int kUsageExit = 2;

struct CommonFlags {
  std::string model;
  uint32_t threads = 0;  // 0: all usable
  uint64_t ctx = 0;      // 0: the library's choice
  int64_t predict = 128;
  uint64_t batch = 512;
  KvType kv_type = KvType::f16;
  uint64_t ram_bytes = 0;  // 0: unbounded
  std::string overlay;
  bool json = false;
  ProgressMode progress = ProgressMode::automatic;
};

class CommandLine {
 public:
  // `command` is empty for programs that have none.
  CommandLine(std::string program, const std::string& command, const std::string& description);

  CLI::App& app() { return app_; }
  CommonFlags flags;

  // Each adds one shared flag with its environment variable SISKIN_<FLAG>.
  CommandLine& with_model();
  CommandLine& with_threads();
  CommandLine& with_ctx(const std::string& meaning);
  CommandLine& with_predict();
  CommandLine& with_batch();
  CommandLine& with_kv();
  CommandLine& with_loading();  // --ram and --overlay: how a model is loaded
  CommandLine& with_json();      // --json and --progress
  CommandLine& with_progress();  // --progress alone
  // A flag of the contract that is not built: absent from --help, and using it is an error that says so.
  CommandLine& without(const std::string& flag);

  // An exit status when there is nothing left to do: 0 after --help and --version, 2 after wrong usage.
  std::optional<int> parse(int argc, const char* const* argv);

  // Print one line on stderr that begins with the program's name; return the exit status.
  int fail(const Error& error) const;
  int misuse(const std::string& message) const;
  // Prints the one JSON document on stdout; returns 0, or 1 where stdout could not be written.
  int print_json(const nlohmann::ordered_json& document) const;
  // The same check for text that was written already.
  int finish_stdout() const;

 private:
  std::string program_;
  CLI::App app_;
};

// Validators whose messages say what was expected and what came.
CLI::Validator integer_in(int64_t low, int64_t high);
CLI::Validator real_in(double low, double high);
CLI::Validator one_of(std::vector<std::string> names);

// Prints `program: message` as one line.
void print_error(const std::string& program, std::string message);

}  // namespace siskin::cli
