// What `siskin quantize` and `siskin convert` share: a model is rewritten, with progress, and its report printed.
#pragma once

#include <siskin/quantize.h>

#include <string>

#include "examples/siskin/cli/command_line.h"

namespace siskin::cli {

// The exit status. `options` gets threads and progress from the line's flags.
int write_model(CommandLine& line, const std::string& command, const std::string& in, const std::string& out,
                QuantizeOptions options);

}  // namespace siskin::cli
