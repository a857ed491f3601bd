// How many threads a tool's arena gets.
#pragma once

#include <siskin/machine.h>
#include <tbb/info.h>

#include <algorithm>

namespace siskin {

// `asked`, or all usable for 0; never more than TBB has workers for, which it would complain of on stderr.
inline int tool_threads(unsigned asked) {
  const int available = std::max(1, std::min(static_cast<int>(usable_threads()), tbb::info::default_concurrency()));
  return asked == 0 ? available : std::min(static_cast<int>(asked), available);
}

}  // namespace siskin
