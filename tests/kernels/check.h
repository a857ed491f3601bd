// One check per function type. A row of kernel_list.inc whose type has no check does not compile.
#pragma once

#include "tests/kernels/harness.h"

namespace siskin::test {

void check(const Kernel& kernel, MatmulFn fn);       // matmul_check.cpp
void check(const Kernel& kernel, GetRowFn fn);       // rows_check.cpp
void check_bf16(const Kernel& kernel, MatmulFn fn);  // bf16_check.cpp: matmul_any_bf16
void check(const Kernel& kernel, RoundFn fn);
void check(const Kernel& kernel, QuantizeFn fn);
void check(const Kernel& kernel, KvStoreFn fn);
void check(const Kernel& kernel, RmsNormFn fn);  // elementwise_check.cpp
void check(const Kernel& kernel, LayerNormFn fn);
void check(const Kernel& kernel, RopeFn fn);
void check(const Kernel& kernel, SoftmaxFn fn);
void check(const Kernel& kernel, SwigluFn fn);
void check(const Kernel& kernel, GegluFn fn);
void check(const Kernel& kernel, AddBiasFn fn);
void check(const Kernel& kernel, DotFn fn);
void check(const Kernel& kernel, AxpyFn fn);
void check(const Kernel& kernel, TopKFn fn);  // order_check.cpp
void check(const Kernel& kernel, ArgmaxFn fn);
void check(const Kernel& kernel, AttentionFn fn);       // attention_check.cpp
void check_bf16(const Kernel& kernel, AttentionFn fn);  // attention_bf16
void check(const Kernel& kernel, AttentionMergeFn fn);

}  // namespace siskin::test
