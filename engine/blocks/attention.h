// Self-attention of a step: rotate, store in the KV cache, attend. Grouped heads share their K and V.
#pragma once

#include <cstddef>

#include "engine/step.h"

namespace siskin {

// Reads act.q, act.k, act.v of all tokens; stores K and V of this step; writes act.attended (and its int8 and bf16 forms). Of
// latents: reads act.q_latent and act.k, writes act.by_head.
void attend(StepContext& ctx, size_t layer);

}  // namespace siskin
