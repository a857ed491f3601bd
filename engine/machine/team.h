// Runs one timed piece of work on several threads at once.
#pragma once

#include <siskin/result.h>

#include <functional>

namespace siskin {

struct TimedRuns {
  double best_seconds = 0;  // the fastest pass: from the first thread's start to the last thread's end
  int passes = 0;
};

// Starts `threads` threads; pass after pass, each calls work(thread) behind a common start. Stops when `seconds` have gone by
// and at least `min_passes` are done, always after a whole pass. Errors: io when the system refuses a thread.
Result<TimedRuns> timed_runs(unsigned threads, double seconds, int min_passes,
                             const std::function<void(unsigned thread)>& work);

}  // namespace siskin
