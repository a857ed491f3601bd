// Where the time of a session's steps went: part by part, and within a part what the threads did. For `siskin-bench --explain`.
#pragma once

#include <siskin/export.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace siskin {

enum class Part : uint8_t {
  between,  // steps: planning, the ledger, sampling, text
  embedding,
  norms,
  qkv,
  rope,  // and storing k and v
  attention,
  attn_output,
  router,
  routing,  // top-k and the sort by expert
  gate_up,
  down,
  combine,
  head,
};
inline constexpr size_t kParts = 13;
SISKIN_API const char* part_name(Part part);

// Seconds of one part; with T threads, work, wake and imbalance are sums over the threads / T, so that the four add up to the
// part's wall time.
struct PartTime {
  double serial_s = 0;     // outside any grid: one thread, the others wait
  double work_s = 0;       // in tasks
  double wake_s = 0;       // from a grid's opening to a thread's first task; all of a grid in which a thread found none
  double imbalance_s = 0;  // from a thread's last task to the grid's end
  uint64_t grids = 0;

  double wall_s() const { return serial_s + work_s + wake_s + imbalance_s; }
};

struct StepProfile {
  std::array<PartTime, kParts> parts{};

  PartTime& of(Part part) { return parts[static_cast<size_t>(part)]; }
  const PartTime& of(Part part) const { return parts[static_cast<size_t>(part)]; }
  SISKIN_API StepProfile& operator+=(const StepProfile& other);
};

}  // namespace siskin
