// A number that changes whenever the packed bytes of a type would: what a packed file is checked against, so that no one has to
// remember to count versions up.
#pragma once

#include <cstdint>

#include "formats/dtype.h"

namespace siskin {

// Of the packed bytes of one small matrix that is always the same, its last strip incomplete. REQUIRES: a built type.
uint64_t layout_fingerprint(DType type);

}  // namespace siskin
