// The hash that names a machine's measurements: whatever would change them is in it.
#pragma once

#include <siskin/machine.h>

#include <optional>
#include <string>

namespace siskin {

// Lower-case hex SHA-256 of what `profile` knows without measuring (cpu, isa, isas, threads, caches, memory in whole GiB), the
// microcode, the quota and the library's version.
std::string fingerprint_of(const MachineProfile& profile, const std::string& microcode, std::optional<double> quota);
std::string sha256_hex(const std::string& text);

}  // namespace siskin
