// One benchmark case: operands made when its turn comes, an answer checked against `ref`, then the timed call.
#pragma once

#include <functional>
#include <string>

#include "kernels/select.h"

namespace siskin::bench {

struct Work {
  double bytes = 0;  // read and written by one call: weights once, activations and outputs once
  double ops = 0;    // a multiply-add is two; 0 where counting them means nothing
  std::function<void()> run;
  std::function<bool()> right;  // after run(): is the answer `ref`'s?
};

// Registers a case. `make` owns its operands through what the functions capture; one case's operands live at a time.
void add_case(const std::string& name, std::function<Work()> make);
bool every_answer_was_right();

// Adds the cases of one kernel of one instruction set, by its function type. `fn` is that set's own body, `ref` the
// reference's.
struct Kernel {
  std::string name;  // as kernel_list.inc has it
  std::string isa;
  std::string title(const std::string& shape) const { return name + "/" + isa + "/" + shape; }
};
void add_cases(const Kernel& kernel, MatmulFn fn, MatmulFn ref);
void add_bf16_cases(const Kernel& kernel, MatmulFn fn, MatmulFn ref);  // matmul_any_bf16
void add_cases(const Kernel& kernel, RoundFn fn, RoundFn ref);
void add_cases(const Kernel& kernel, GetRowFn fn, GetRowFn ref);
void add_cases(const Kernel& kernel, QuantizeFn fn, QuantizeFn ref);
void add_cases(const Kernel& kernel, RmsNormFn fn, RmsNormFn ref);
void add_cases(const Kernel& kernel, LayerNormFn fn, LayerNormFn ref);
void add_cases(const Kernel& kernel, RopeFn fn, RopeFn ref);
void add_cases(const Kernel& kernel, SoftmaxFn fn, SoftmaxFn ref);
void add_cases(const Kernel& kernel, SwigluFn fn, SwigluFn ref);
void add_cases(const Kernel& kernel, GegluFn fn, GegluFn ref);
void add_cases(const Kernel& kernel, AddBiasFn fn, AddBiasFn ref);
void add_cases(const Kernel& kernel, DotFn fn, DotFn ref);
void add_cases(const Kernel& kernel, AxpyFn fn, AxpyFn ref);
void add_cases(const Kernel& kernel, TopKFn fn, TopKFn ref);
void add_cases(const Kernel& kernel, ArgmaxFn fn, ArgmaxFn ref);
void add_cases(const Kernel& kernel, KvStoreFn fn, KvStoreFn ref);
void add_cases(const Kernel& kernel, AttentionFn fn, AttentionFn ref);
void add_cases(const Kernel& kernel, AttentionMergeFn fn, AttentionMergeFn ref);

// What the kernels are to be compared with: plain reads and copies, and the providers' GEMMs.
void add_memory_baselines();
void add_provider_baselines();

// |a - b| <= absolute + relative * |b| for every element; NaN is never close.
bool close(const float* a, const float* b, size_t n, double absolute, double relative);
// A bound for a dot product of k factors in [-1, 1]: twice k roundings of a sum that is at most k.
inline double dot_bound(size_t k) { return 2.0 * static_cast<double>(k + 1) * 0x1p-24 * static_cast<double>(k); }

}  // namespace siskin::bench
