// Latent attention in its absorbed form: what surrounds attend() where all heads share one latent per position.
// A head's key is k_b^T [its share of] the latent, its value v_b the latent. Since q . (k_b^T c) = (k_b q) . c, queries go to
// the latents instead of latents to every head, and the weighted sum of latents becomes a head's output by v_b.
//
// Prefill runs the same way: by operations alone, expanding keys and values would be cheaper for prompts of some hundred tokens
// and up ((192 + 128) per head and pair instead of (576 + 512)), but would keep, or make again for each step, K and V of all
// heads. Source: DeepSeek-V2 (arXiv 2405.04434), section 2.1.2 and appendix C.
#pragma once

#include <cstddef>

#include "engine/step.h"

namespace siskin {

// Adds what the last block made (layer 0: nothing), normalises, and multiplies: act.k, the latents [n, kv_rank + n_rot] with
// the first kv_rank normalised, and act.q_latent. Neither is rotated yet.
void project_latents(StepContext& ctx, size_t layer);

// act.by_head, what attend() made, into act.attended (and its int8 and bf16 forms).
void values_of_latents(StepContext& ctx, size_t layer);

}  // namespace siskin
