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

// Weights per task: about 64 KiB, so that two cores share even a small matrix and a claim costs under 1% of a task's time. An even
// number of strips, so that a task's outputs are whole blocks of 32.
inline size_t strips_per_task(const PackedMatrix& w) {
  constexpr size_t kTaskBytes = 64 << 10;
  return std::max<size_t>(2, kTaskBytes / w.strip_bytes / 2 * 2);
}

inline bool reads_int8(const Tensor& tensor) { return activation_of(tensor.type) == Activation::int8; }

inline void run_matmul(const KernelTable& kernels, const MatmulArgs& args) {
  (args.m == 1 ? matvec_of(kernels, args.w.type) : matmul_of(kernels, args.w.type))(args);
}

}  // namespace siskin
