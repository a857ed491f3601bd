// The residual stream: adding what a block made and normalising for the next.
#pragma once

#include <cstddef>
#include <vector>

#include "engine/step.h"

namespace siskin {

// residual[i] += delta[i], scaled, if asked; normed[i] = norm(residual[i]) * w, and its int8 and bf16 forms where `normed`
// has them. LayerNorm is the same about the row's mean, and adds `bias` unless it is null.
enum class Residual : bool { keep, add_delta };
void add_and_norm(StepContext& ctx, size_t n, Residual residual, const Tensor& w, const Tensor* bias, ActivationRows& normed);

// Each of the step's rows normalised in place, by pieces as long as w: the row, or every head of it. x = rms_norm(x) * w.
void norm_rows(StepContext& ctx, std::vector<float>& rows, const Tensor& w);

}  // namespace siskin
