// Reading the key-value pairs of a GGUF header.
#pragma once

#include "formats/files/gguf_cursor.h"
#include "formats/metadata.h"

namespace siskin {

// Reads `count` pairs. Errors: corrupt_file, unsupported (nested arrays).
Result<Metadata> read_gguf_metadata(GgufCursor& cursor, uint64_t count);

}  // namespace siskin
