// Linear layers over a step's rows: y = W x for one or several matrices that read the same rows, as one grid of tasks.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "engine/step.h"
#include "kernels/select.h"

namespace siskin {

// Makes the int8 form of rows [0, n) if they are `quantized`.
void quantize_rows(StepContext& ctx, ActivationRows& rows, size_t n);

struct LinearJob {
  const PackedMatrix* w;
  float* y;  // [n, w->rows]
};

// y_j[i] = W_j x[i] for every job, rows i in [0, n). The grid depends on the shapes alone.
void linear(StepContext& ctx, const ActivationRows& x, size_t n, std::span<const LinearJob> jobs);

// Strips per task: a sixteenth of the matrix, at most 512 KiB, so that two to eight cores share even a small matrix while a large one is
// read in long runs (a core's prefetchers restart at every task: 1.2 GB of Q8_0 on two Zen 4 cores, where a plain loop reads 50 GB/s,
// give 39 in tasks of 70 KB, 48 in 280 KB, 50 in 560 KB). An even number, so that a task's outputs are whole blocks of 32.
inline size_t strips_per_task(const PackedMatrix& w) {
  constexpr size_t kTasks = 16, kMostBytes = 512 << 10;
  return std::max<size_t>(2, std::min(w.strips() / kTasks, kMostBytes / w.strip_bytes) / 2 * 2);
}

inline bool reads_int8(const Tensor& tensor) { return activation_of(tensor.type) == Activation::int8; }

inline void run_matmul(const KernelTable& kernels, const MatmulArgs& args) {
  (args.m == 1 ? matvec_of(kernels, args.w.type) : matmul_of(kernels, args.w.type))(args);
}

}  // namespace siskin
