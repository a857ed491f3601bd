// siskin-selector: finds the cheapest model that is good enough and fast enough on this machine.
#include <fmt/format.h>
#include <siskin/version.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "selector/choose.h"
#include "selector/config.h"
#include "selector/engine_backend.h"
#include "selector/plan_table.h"
#include "selector/report_text.h"
#include "selector/run.h"

namespace {

using namespace siskin::selector;

std::atomic<bool> interrupted{false};

// The first Ctrl-C stops after the current step; the second ends at once, as usual.
void on_interrupt(int) {
  interrupted = true;
  std::signal(SIGINT, SIG_DFL);
}

struct Arguments {
  std::filesystem::path config, out = "selection";
  bool json = false, strict = false, force = false;
  std::string progress = "auto";
};

int fail(const siskin::Error& error, int code) {
  std::string line = error.message;
  for (char& c : line) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  fmt::print(stderr, "siskin-selector: {}\n", line);
  return code;
}

// 2 for what the user can mend in the configuration, 130 for an interruption, 1 for the rest.
int fail(const siskin::Error& error) {
  using siskin::ErrorCode;
  if (error.code == ErrorCode::cancelled) {
    fmt::print(stderr, "siskin-selector: interrupted; what was measured is kept, the same command goes on from here\n");
    return kExitInterrupted;
  }
  const bool config =
      error.code == ErrorCode::invalid_argument || error.code == ErrorCode::not_found || error.code == ErrorCode::unsupported;
  return fail(error, config ? kExitConfig : kExitFailed);
}

// A line that is rewritten on a terminal, JSON lines where asked for, silence otherwise.
class ProgressPrinter {
 public:
  explicit ProgressPrinter(const std::string& mode)
      : json_(mode == "json"), bar_(mode == "auto" && isatty(STDERR_FILENO) == 1) {}
  ~ProgressPrinter() { clear(); }

  void operator()(const Progress& progress) {
    const std::string state = progress.stage + progress.candidate + progress.what;
    const int percent = static_cast<int>(progress.fraction * 100);
    if (state == last_state_ && percent == last_percent_) return;
    last_state_ = state;
    last_percent_ = percent;
    if (json_) {
      const nlohmann::json line = {{"stage", progress.stage}, {"candidate", progress.candidate},
                                   {"what", progress.what},   {"step", progress.step},
                                   {"steps", progress.steps}, {"fraction", progress.fraction}};
      fmt::print(stderr, "{}\n", line.dump());
    } else if (bar_) {
      const std::string share = percent > 0 ? fmt::format(" {}%", percent) : "";
      fmt::print(stderr, "\r\033[K[{}/{}] {}{}{}{}{}", progress.step, progress.steps, progress.candidate,
                 progress.candidate.empty() ? "" : ": ", progress.what, share, eta(progress));
      std::fflush(stderr);
    }
  }

 private:
  void clear() const {
    if (bar_ && !last_state_.empty()) fmt::print(stderr, "\r\033[K");
  }
  std::string eta(const Progress& progress) {
    if (progress.step == 0 || progress.steps == 0) return "";
    const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    return fmt::format(", about {:.0f} s left",
                       elapsed / static_cast<double>(progress.step) * static_cast<double>(progress.steps - progress.step));
  }

  bool json_, bar_;
  std::string last_state_;
  int last_percent_ = -1;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

int init(const Arguments& arguments) {
  std::error_code error;
  if (std::filesystem::exists(arguments.config, error) && !arguments.force) {
    return fail(
        {siskin::ErrorCode::invalid_argument, fmt::format("{}: exists; --force writes over it", arguments.config.string())},
        kExitConfig);
  }
  std::ofstream out(arguments.config);
  out << config_template() << std::flush;
  if (!out) return fail({siskin::ErrorCode::io, fmt::format("{}: cannot be written", arguments.config.string())}, kExitFailed);
  if (arguments.json) {
    fmt::print("{}\n", nlohmann::json{{"config", arguments.config.string()}}.dump());
  } else {
    fmt::print("wrote {}; fill it in, then: siskin-selector plan {}\n", arguments.config.string(), arguments.config.string());
  }
  return 0;
}

int plan(const Arguments& arguments, const Config& config, Backend& backend, const RunOptions& options) {
  auto result = plan_selection(config, backend, options);
  if (!result) return fail(result.error());
  if (arguments.json) {
    fmt::print("{}\n", plan_json(*result).dump(2));
  } else {
    fmt::print("{}", plan_text(*result));
  }
  return 0;
}

void print_outcome(const RunOutcome& outcome, const std::filesystem::path& out_dir) {
  for (const auto& choice : outcome.json.at("chosen")) {
    const std::string qps = format_rate(choice.at("qps").get<double>());
    const auto& usd = choice.at("usd_per_month");
    if (choice.at("name").is_null()) {
      fmt::print("{:>18}: none. {}\n", qps, choice.at("why").get<std::string>());
    } else {
      fmt::print("{:>18}: {} on {} {}{}\n{:>20}{}\n", qps, choice.at("name").get<std::string>(),
                 format_count(value_of(choice.at("replicas"))), value_of(choice["replicas"]) == 1 ? "replica" : "replicas",
                 has_value(usd) ? ", " + format_usd(value_of(usd)) + " a month" : "", "", choice.at("why").get<std::string>());
    }
  }
  for (const auto& warning : outcome.result.warnings) fmt::print("note: {}\n", warning);
  fmt::print("report: {}\n", (out_dir / "report.html").string());
}

int run(const Arguments& arguments, const Config& config, Backend& backend, const RunOptions& options) {
  auto outcome = run_selection(config, backend, options);
  if (!outcome) return fail(outcome.error());
  if (const auto written = write_outputs(options.out_dir, outcome->json); !written) return fail(written.error(), kExitFailed);
  if (arguments.json) {
    fmt::print("{}\n", outcome->json.dump(2));
  } else {
    print_outcome(*outcome, options.out_dir);
  }
  return outcome->result.exit_code;
}

int dispatch(const std::string& command, const Arguments& arguments) {
  if (command == "init") return init(arguments);
  if (command == "gate") return fail({siskin::ErrorCode::unsupported, "gate is known but not built yet"}, kExitConfig);
  if (command == "report") {
    const auto written = rewrite_reports(arguments.out);
    if (!written) return fail(written.error(), kExitFailed);
    const std::string report = (arguments.out / "report.html").string();
    fmt::print("{}\n", arguments.json ? nlohmann::json{{"report", report}}.dump() : report);
    return 0;
  }
  auto config = load_config(arguments.config);
  if (!config) return fail(config.error(), kExitConfig);
  ProgressPrinter progress(arguments.progress);
  const auto backend = engine_backend([&](double fraction) {
    progress({"machine", "", "measuring the machine", 0, 0, fraction});
  });
  RunOptions options;
  options.out_dir = arguments.out;
  options.strict = arguments.strict;
  options.cancelled = [] { return interrupted.load(); };
  options.on_progress = [&](const Progress& event) { progress(event); };
  return command == "plan" ? plan(arguments, *config, *backend, options) : run(arguments, *config, *backend, options);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Finds the cheapest model that is good enough and fast enough, on this machine.", "siskin-selector");
  app.set_version_flag("--version", std::string("siskin-selector ") + siskin::version());
  app.require_subcommand(1);
  Arguments arguments;
  const auto add = [&](const char* name, const char* about) {
    CLI::App* command = app.add_subcommand(name, about);
    command->add_option("CONFIG", arguments.config, "the configuration, TOML")->required();
    command->add_option("--out", arguments.out, "folder for results")->envname("SISKIN_OUT")->capture_default_str();
    command->add_flag("--json", arguments.json, "print one JSON document");
    return command;
  };
  add("init", "write a commented configuration to start from")
      ->add_flag("--force", arguments.force, "write over an existing file");
  CLI::App* plan_command = add("plan", "show every candidate's bounds and who is ruled out; measures no candidate");
  CLI::App* run_command = add("run", "measure, choose and report; goes on where an interrupted run stopped");
  run_command->add_flag("--strict", arguments.strict, "exit 15 when the machine was noisy");
  for (CLI::App* command : {plan_command, run_command}) {
    command->add_option("--progress", arguments.progress, "auto (a line on a terminal), json, none")
        ->check(CLI::IsMember({"auto", "json", "none"}))
        ->capture_default_str();
  }
  add("report", "write report.md and report.html again from DIR/result.json");
  add("gate", "")->group("");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    return fail({siskin::ErrorCode::invalid_argument, error.what()}, kExitConfig);
  }
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
  return dispatch(app.get_subcommands().front()->get_name(), arguments);
}
