// Whether a file system has room for a model, asked before hours of writing and not after.
#pragma once

#include <siskin/result.h>

#include <filesystem>
#include <span>

#include "formats/gguf.h"

namespace siskin {

// Errors: io, naming what is needed and what is free. A file system that does not say is given the benefit of the doubt.
Status check_free_space(const std::filesystem::path& out, std::span<const GgufTensorSource> tensors);

}  // namespace siskin
