// The backend that is siskin itself, and the real clock.
#pragma once

#include <memory>

#include "selector/backend.h"

namespace siskin::selector {

std::unique_ptr<Backend> engine_backend(std::function<void(double fraction)> on_machine_progress = {});

}  // namespace siskin::selector
