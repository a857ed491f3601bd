// Measures read bandwidth and peak arithmetic. Under five seconds together.
#pragma once

#include <siskin/machine.h>

#include <functional>
#include <string_view>

namespace siskin {

// Fills `read_gb_s` and `read_gb_s_max`, with the read loop of `profile.isa`, for 1, 2, 4, ... `profile.threads` threads.
Status measure_read_bandwidth(MachineProfile& profile, const std::function<void(double)>& on_progress);
// Fills the peaks: all threads, and by threads.
Status measure_peaks(MachineProfile& profile, const std::function<void(double)>& on_progress);

}  // namespace siskin
