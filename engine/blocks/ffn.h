// Feed-forward blocks, dense and mixture of experts: down(act(gate x) * up x), on the same fused grid.
#pragma once

#include <cstddef>

#include "engine/step.h"

namespace siskin {

// Whether any of a layer's feed-forward matrices reads the int8 form of act.normed.
bool ffn_reads_int8(const StepContext& ctx, size_t layer, size_t n);

// act.delta[i] = W_down (act(W_gate x[i]) * W_up x[i]) for rows x = act.normed.
void dense_ffn(StepContext& ctx, size_t layer, size_t n);

// act.delta[i] = sum over ranks r of weight[i,r] * expert(id[i,r])(x[i]), in rank order, + the shared experts' output, where
// the layer has some, times sigmoid(w . x[i]), where it has such a gate; the router reads act.normed too.
void moe_ffn(StepContext& ctx, size_t layer, size_t n);

}  // namespace siskin
