// The providers that a build may have; provider.cpp lists those that it does.
#pragma once

#include "kernels/provider.h"

namespace siskin {

const Provider& onednn_provider();  // onednn.cpp
const Provider& blis_provider();    // blis.cpp

}  // namespace siskin
