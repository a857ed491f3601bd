// What this machine can do, measured: read bandwidth by threads and working set, peak arithmetic; cached by hardware fingerprint.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <siskin/export.h>
#include <siskin/result.h>

namespace siskin {

struct CacheLevel {
  unsigned level = 0;
  size_t bytes = 0;
  unsigned shared_by = 0;  // cores
};

struct ReadBandwidth {
  unsigned threads = 0;
  double mb = 0;  // working set, all threads together
  double gb_s = 0;
};

struct MachineProfile {
  std::string cpu;
  std::string isa;  // the table that runs
  std::vector<std::string> isas;
  unsigned cores = 0;
  unsigned threads = 0;  // usable: affinity and cgroup quota
  uint64_t memory_bytes = 0;
  std::vector<CacheLevel> caches;
  std::vector<ReadBandwidth> read_gb_s;  // best plain read loop of the active ISA
  double read_gb_s_max = 0;
  // GFLOP/s (multiply-add = 2) with all usable threads; absent where the unit is absent or unmeasured.
  std::optional<double> peak_f32, peak_bf16, peak_int8_vector, peak_int8_matrix, peak_bf16_matrix;
  // Index 0: one thread. int8: the vector unit. bf16: the unit that this table's matmuls of many rows run on; empty if they don't.
  std::vector<double> peak_f32_by_threads, peak_int8_by_threads, peak_bf16_by_threads;
  std::string fingerprint;
  std::string measured_at;  // ISO date
  bool from_cache = false;

  // Interpolated between the measured working sets (log scale) at the nearest measured thread count.
  SISKIN_API double read_bandwidth_at(unsigned threads, double bytes) const;
};

struct MachineOptions {
  bool use_cache = true;      // read and write $XDG_CACHE_HOME/siskin/machine-<fingerprint>.json
  bool measure = true;        // false: only what is known without measuring, or the cache
  std::string isa;            // empty: SISKIN_ISA or the best
  std::function<void(double fraction)> on_progress;
};

// First measurement under 5 s. Errors: io (the cache is unwritable: the profile is still returned by measuring again), invalid_argument (isa).
SISKIN_API Result<std::shared_ptr<const MachineProfile>> machine_profile(const MachineOptions& options = {});
SISKIN_API Status forget_machine_profiles();
SISKIN_API std::string to_json(const MachineProfile& profile);

// Cores that this process may use: affinity and cgroup quota. Never 0.
SISKIN_API unsigned usable_threads();
// Memory that this process may still take: MemAvailable and the cgroup's limit.
SISKIN_API uint64_t available_memory_bytes();

// One row of `siskin machine --kernels`: who runs an operation fastest here.
struct KernelChoice {
  std::string op;        // "matmul"
  std::string type;      // "f16"
  size_t m = 0, n = 0, k = 0;
  std::string chosen;    // "siskin", "onednn", "blis"
  std::vector<std::pair<std::string, double>> gflops;  // each contender's
};
SISKIN_API Result<std::vector<KernelChoice>> measure_kernels(const MachineOptions& options = {});

}  // namespace siskin
