// What a Model holds, for the engine's own rooms.
#pragma once

#include <siskin/expert_knobs.h>
#include <siskin/model.h>

#include <optional>
#include <string>

#include "engine/experts/store.h"
#include "engine/ledger.h"
#include "engine/models/family.h"
#include "engine/spec.h"
#include "engine/state/kv_cache.h"
#include "engine/weights.h"
#include "formats/tokenizer/tokenizer.h"
#include "kernels/select.h"

namespace siskin {

struct Model::Impl {
  ModelInfo info;
  ModelSpec spec;
  const Family* family = nullptr;
  const Isa* isa = nullptr;
  std::string isa_name;
  Weights weights;
  std::optional<ExpertStore> experts;
  ExpertKnobs knobs;  // the overlay's
  std::optional<Ledger> ledger;
  std::optional<Tokenizer> tokenizer;
  double load_seconds = 0;
};

inline KvShape kv_shape(const ModelSpec& spec, KvType type) {
  return {spec.n_layers, spec.n_kv_heads, spec.key_width(), spec.value_width(), spec.is_latent(), kv_dtype(type)};
}

// The context that "0: the default" means.
inline size_t default_ctx(const ModelSpec& spec) { return std::min<size_t>(spec.ctx_train, 4096); }

// Bytes of a session's activations for steps of `batch` tokens, logits of one row each for `requests` of up to `ctx` positions.
uint64_t activation_bytes(const ModelSpec& spec, size_t batch, size_t requests, size_t ctx);

// "1.24 GB"
std::string bytes_text(uint64_t bytes);

}  // namespace siskin
