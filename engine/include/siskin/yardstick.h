// What the machine gives at this moment, on a session's own threads: for measurements in pairs. (A cached machine profile
// cannot say so on a machine whose neighbours come and go: its bandwidth may halve within the hour.)
#pragma once

#include <siskin/export.h>
#include <siskin/session.h>

namespace siskin {

// One pass of the best plain read loop of the model's instruction set over the model's packed weights, in runs of 2 MiB.
// REQUIRES (both): called between steps.
SISKIN_API double read_gb_s_now(Session& session);

// GFLOP/s (a multiply-add is two) of the units that the model's matrices run on; 0 where one is absent.
struct Peaks {
  double f32 = 0;
  double int8 = 0;
  double bf16 = 0;
};
// Takes about 10 ms for each.
SISKIN_API Peaks peaks_now(Session& session);

}  // namespace siskin
