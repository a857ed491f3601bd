// Feed-forward blocks, dense and mixture of experts: down(silu(gate x) * up x), on the same fused grid.
#pragma once

#include <cstddef>

#include "engine/step.h"

namespace siskin {

// act.delta[i] = W_down (silu(W_gate x[i]) * W_up x[i]) for rows x = act.normed.
void dense_ffn(StepContext& ctx, size_t layer, size_t n);

// act.delta[i] = sum over ranks r of weight[i,r] * expert(id[i,r])(x[i]), in rank order; the router reads act.normed too.
void moe_ffn(StepContext& ctx, size_t layer, size_t n);

}  // namespace siskin
