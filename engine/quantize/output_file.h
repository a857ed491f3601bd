// The file that a tool writes a model to: what it must not replace, and how large it came out.
#pragma once

#include <siskin/result.h>

#include <cstdint>
#include <filesystem>

namespace siskin {

// Errors: invalid_argument where `out` is a folder, or is `in` itself or another part of the same split model.
Status check_output_path(const std::filesystem::path& in, const std::filesystem::path& out);

// Bytes of a file that was just written. Errors: io.
Result<uint64_t> written_bytes(const std::filesystem::path& out);

}  // namespace siskin
