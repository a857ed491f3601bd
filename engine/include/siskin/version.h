// The library's version.
#pragma once

#include <siskin/export.h>

namespace siskin {

SISKIN_API const char* version();  // "0.1.0"

}  // namespace siskin
