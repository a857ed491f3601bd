// Routing traces on disk. Byte layout in FORMATS.md "Routing traces".
#pragma once

#include <siskin/result.h>
#include <siskin/routing_trace.h>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace siskin {

// Errors start with `name`: corrupt_file for damage, unsupported for another version.
Result<RoutingTrace> parse_trace(std::span<const std::byte> bytes, const std::string& name);

// Old, new or absent, never half. Weights are rounded to F16. REQUIRES: at most 65535 experts and 255 per token and layer.
Status write_trace_file(const std::filesystem::path& path, const RoutingTrace& trace);

}  // namespace siskin
