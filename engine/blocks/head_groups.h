// HeadGroups: which query heads share a task of attention, and where their queries and outputs lie.
#pragma once

#include <cstddef>

#include "engine/spec.h"

namespace siskin {

// Heads that share a KV head go together. All heads share a latent: up to 16 of them are a group, what a vector's lanes hold.
struct HeadGroups {
  size_t heads;   // of a group
  size_t n;       // groups
  size_t per_kv;  // groups that share a KV head

  explicit HeadGroups(const ModelSpec& spec) : heads(spec.n_heads / spec.n_kv_heads) {
    constexpr size_t kLanes = 16;
    if (spec.is_latent()) {
      for (heads = spec.n_heads < kLanes ? spec.n_heads : kLanes; spec.n_heads % heads != 0;) --heads;
    }
    n = spec.n_heads / heads;
    per_kv = n / spec.n_kv_heads;
  }
  size_t kv_head(size_t group) const { return group / per_kv; }
};

}  // namespace siskin
