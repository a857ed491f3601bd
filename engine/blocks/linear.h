// Linear layers over a step's rows: y = W x for one or several matrices that read the same rows, as one grid of tasks.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "engine/step.h"
#include "kernels/select.h"

namespace siskin {

// Makes the int8 and bf16 forms of rows [0, n), where they have them.
void quantize_rows(StepContext& ctx, ActivationRows& rows, size_t n);

struct LinearJob {
  const PackedMatrix* w;
  float* y;              // [n, w->rows]
  size_t y_stride = 0;   // floats from row to row; 0: w->rows
  size_t first_row = 0;  // of x
};

// y_j[i] = W_j x[first_row_j + i] for every job, rows i in [0, n). The grid depends on the shapes alone.
void linear(StepContext& ctx, const ActivationRows& x, size_t n, std::span<const LinearJob> jobs);

// Adds a bias to each row. rows: [n, bias.cols].
void add_bias(StepContext& ctx, std::vector<float>& rows, const Tensor& bias);

// Rows per task: a kernel's panel. More would only leave fewer tasks.
inline constexpr size_t kTaskRows = 128;
inline size_t row_tasks(size_t n) { return (n + kTaskRows - 1) / kTaskRows; }

// With so few rows a product takes the time that its weights take to be read. Its tasks are as small as whole blocks of 32
// outputs allow, and neighbours that one thread takes at once are one product over one run of weights: a core's prefetchers
// restart at every gap, and the memory idles while a product ends.
inline constexpr size_t kFewRows = 8;
inline constexpr size_t kFewRowsStrips = 2;

// Strips per task of a product with more rows: a sixteenth of the tasks or less, so that two to eight cores share even a small
// matrix, and strips enough to pay for what a task prepares of its rows.
inline size_t strips_per_task(const PackedMatrix& w, size_t n) {
  constexpr size_t kTasks = 16, kMostStrips = 16;
  if (n <= kFewRows) return kFewRowsStrips;
  return std::max<size_t>(2, std::min(w.strips() * row_tasks(n) / kTasks, kMostStrips) / 2 * 2);
}

inline bool reads_int8(const Tensor& tensor) { return activation_of(tensor.type) == Activation::int8; }

// Whether a product of n rows reads int8.
inline bool reads_int8(const StepContext& ctx, const Tensor& tensor, size_t n) {
  return reads_int8(tensor) && !uses_bf16(ctx.kernels, tensor.type, n);
}

// The bf16 form of x from row `first` on, if a product of n rows runs on it; n counts the whole product, not a task's share, so
// that all of its rows get the same arithmetic.
inline const uint16_t* bf16_for(const StepContext& ctx, const ActivationRows& x, const PackedMatrix& w, size_t n,
                                size_t first = 0) {
  return x.rounded && uses_bf16(ctx.kernels, w.type, n) ? x.bf16_row(first) : nullptr;
}

inline void run_matmul(const KernelTable& kernels, const MatmulArgs& args) {
  if (args.xb != nullptr) return kernels.matmul_any_bf16(args);
  (args.m == 1 ? matvec_of(kernels, args.w.type) : matmul_of(kernels, args.w.type))(args);
}

}  // namespace siskin
