#include "examples/siskin/cli/verbs.h"

#include <fmt/format.h>
#include <siskin/version.h>

#include "examples/siskin/cli/command_line.h"

namespace siskin::cli {

int run_verb(const std::string& command, std::span<const Verb> verbs, int argc, const char* const* argv) {
  const std::string_view name = argc > 1 ? argv[1] : "";
  if (name == "--version") {
    fmt::print("siskin {}\n", version());
    return 0;
  }
  if (name == "--help" || name == "-h") {
    fmt::print("Usage: siskin {} VERB [OPTIONS]\n\n", command);
    for (const Verb& verb : verbs) fmt::print("  {:<8} {}\n", verb.name, verb.does);
    fmt::print("\n`siskin {} VERB --help` lists a verb's options.\n", command);
    return 0;
  }
  std::string names;
  for (const Verb& verb : verbs) {
    if (verb.name == name) return verb.run(argc - 1, argv + 1);
    names += (names.empty() ? "" : ", ") + std::string(verb.name);
  }
  print_error("siskin", name.empty() ? fmt::format("{}: expected {}", command, names)
                                     : fmt::format("{}: '{}', expected {}", command, name, names));
  return kUsageExit;
}

}  // namespace siskin::cli
