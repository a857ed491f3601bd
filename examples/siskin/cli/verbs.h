// Commands that have commands of their own: `siskin trace record`.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace siskin::cli {

struct Verb {
  std::string_view name, does;
  int (*run)(int argc, const char* const* argv);
};

// Runs the verb that argv[1] names, or says which there are.
int run_verb(const std::string& command, std::span<const Verb> verbs, int argc, const char* const* argv);

}  // namespace siskin::cli
