// CommandLine: flags through CLI11, errors as one line, exit codes 0, 1, 2 and 130.
#include "examples/siskin/cli/command_line.h"

#include <fmt/format.h>
#include <siskin/version.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "examples/siskin/cli/interrupt.h"
#include "examples/siskin/cli/units.h"

namespace siskin::cli {
namespace {

// Bounds of what a flag can mean at all; whether it fits this model and this machine is the library's to say.
constexpr int64_t kMaxThreads = 4096;
constexpr int64_t kMaxPositions = 1LL << 40;
constexpr int64_t kMaxBatch = 1 << 20;

template <class T>
std::optional<T> parse_number(const std::string& text) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || rest != end) return std::nullopt;
  return value;
}

}  // namespace

CLI::Validator integer_in(int64_t low, int64_t high) {
  return CLI::Validator(
      [low, high](std::string& text) -> std::string {
        const auto value = parse_number<int64_t>(text);
        if (value && *value >= low && *value <= high) return {};
        return fmt::format("'{}', expected an integer from {} to {}", text, low, high);
      },
      "");
}

CLI::Validator real_in(double low, double high) {
  return CLI::Validator(
      [low, high](std::string& text) -> std::string {
        const auto value = parse_number<double>(text);
        if (value && std::isfinite(*value) && *value >= low && *value <= high) return {};
        return fmt::format("'{}', expected a number from {} to {}", text, low, high);
      },
      "");
}

CLI::Validator one_of(std::vector<std::string> names) {
  return CLI::Validator(
      [names = std::move(names)](std::string& text) -> std::string {
        if (std::find(names.begin(), names.end(), text) != names.end()) return {};
        return fmt::format("'{}', expected {}", text, fmt::join(names, ", "));
      },
      "");
}

void print_error(const std::string& program, std::string message) {
  for (char& c : message)
    if (c == '\n' || c == '\r') c = ' ';
  while (!message.empty() && message.back() == ' ') message.pop_back();
  fmt::print(stderr, "{}: {}\n", program, message);
}

CommandLine::CommandLine(std::string program, const std::string& command, const std::string& description)
    : program_(std::move(program)), app_(description, command.empty() ? program_ : program_ + " " + command) {
  app_.set_version_flag("--version", program_ + " " + version(), "Print the version and exit");
  app_.get_help_ptr()->description("Print this help and exit");
  app_.option_defaults()->always_capture_default(false);
}

CommandLine& CommandLine::with_model() {
  app_.add_option("-m,--model,MODEL", flags.model, "A GGUF file, a packed file or a Hugging Face folder")
      ->required()
      ->envname("SISKIN_MODEL")
      ->type_name("");
  return *this;
}

CommandLine& CommandLine::with_threads() {
  app_.add_option("-t,--threads", flags.threads, "Threads (default: all that this process may use)")
      ->check(integer_in(1, kMaxThreads))
      ->envname("SISKIN_THREADS")
      ->type_name("N");
  return *this;
}

CommandLine& CommandLine::with_ctx(const std::string& meaning) {
  app_.add_option("-c,--ctx", flags.ctx, meaning)->check(integer_in(0, kMaxPositions))->envname("SISKIN_CTX")->type_name("N");
  return *this;
}

CommandLine& CommandLine::with_predict() {
  app_.add_option("-n,--predict", flags.predict, "Most tokens to generate; -1: until the context is full (default: 128)")
      ->check(integer_in(-1, kMaxPositions))
      ->envname("SISKIN_PREDICT")
      ->type_name("N");
  return *this;
}

CommandLine& CommandLine::with_batch() {
  app_.add_option("-b,--batch", flags.batch, "Most tokens of one step (default: 512)")
      ->check(integer_in(1, kMaxBatch))
      ->envname("SISKIN_BATCH")
      ->type_name("N");
  return *this;
}

CommandLine& CommandLine::with_kv() {
  const auto take = [this](const std::string& name) {
    const auto type = kv_type_of(name);
    if (!type) throw CLI::ValidationError("--kv", type.error().message);
    flags.kv_type = *type;
  };
  app_.add_option_function<std::string>("--kv", take, "What K and V are kept in: f16, f32, bf16 or q8_0 (default: f16)")
      ->envname("SISKIN_KV")
      ->type_name("TYPE");
  return *this;
}

CommandLine& CommandLine::with_loading() {
  const auto take = [this](const std::string& text) {
    const auto bytes = parse_bytes(text);
    if (!bytes) throw CLI::ValidationError("--ram", fmt::format("'{}', expected a size such as 2G, 1500M or 2GB", text));
    flags.ram_bytes = *bytes;
  };
  app_.add_option_function<std::string>("--ram", take, "Most memory for weights, KV cache and activations: a packed mixture that needs "
                                                       "more leaves experts on disk (K, M, G: powers of 1024)")
      ->envname("SISKIN_RAM")
      ->type_name("SIZE");
  app_.add_option("--overlay", flags.overlay, "Settings over the model, from `siskin overlay make`")
      ->envname("SISKIN_OVERLAY")
      ->type_name("FILE");
  return *this;
}

CommandLine& CommandLine::with_json() {
  app_.add_flag("--json", flags.json, "Print exactly one JSON document on stdout");
  return with_progress();
}

CommandLine& CommandLine::with_progress() {
  app_.add_option_function<std::string>(
          "--progress",
          [this](const std::string& name) {
            flags.progress = name == "json" ? ProgressMode::json : name == "off" ? ProgressMode::off : ProgressMode::automatic;
          },
          "auto: a bar where stderr is a terminal; json: JSON lines on stderr; off")
      ->check(one_of({"auto", "json", "off"}))
      ->type_name("MODE");
  return *this;
}

CommandLine& CommandLine::without(const std::string& flag) {
  app_.add_option_function<std::vector<std::string>>(
          flag, [flag](const std::vector<std::string>&) { throw CLI::ValidationError(flag, "not built yet"); }, "")
      ->expected(0, 1)
      ->group("");
  return *this;
}

std::optional<int> CommandLine::parse(int argc, const char* const* argv) {
  try {
    app_.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", app_.help());
    return finish_stdout();
  } catch (const CLI::CallForVersion& call) {
    fmt::print("{}\n", call.what());
    return finish_stdout();
  } catch (const CLI::ParseError& error) {
    return misuse(error.what());
  }
  return std::nullopt;
}

int CommandLine::fail(const Error& error) const {
  if (error.code == ErrorCode::cancelled || interrupted()) {
    print_error(program_, "interrupted");
    return kInterruptedExit;
  }
  print_error(program_, error.message);
  return error.code == ErrorCode::invalid_argument ? kUsageExit : kFailedExit;
}

int CommandLine::misuse(const std::string& message) const {
  print_error(program_, message);
  return kUsageExit;
}

int CommandLine::print_json(const nlohmann::ordered_json& document) const {
  // A generated text may end inside a character; JSON may not.
  fmt::print("{}\n", document.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  return finish_stdout();
}

int CommandLine::finish_stdout() const {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return 0;
  print_error(program_, fmt::format("stdout: {}", std::strerror(errno)));
  return kFailedExit;
}

}  // namespace siskin::cli
