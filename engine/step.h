// A step: some tokens of some requests, run through the model once. Prefill, decode and any mixture are the same thing here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <siskin/routing_trace.h>

#include "engine/blocks/attention_grid.h"
#include "engine/exec/part_clock.h"
#include "engine/exec/worker_team.h"
#include "engine/experts/store.h"
#include "engine/routing.h"
#include "engine/spec.h"
#include "engine/state/kv_cache.h"
#include "engine/weights.h"
#include "kernels/kernels.h"

namespace siskin {

// One request's part of a step.
struct StepSlice {
  uint32_t request = 0;  // identity, for the ledger
  KvSequence* state = nullptr;
  size_t first_position = 0;
  std::span<const int32_t> tokens;
  size_t n_logits = 0;                  // logits are wanted of the last n tokens
  const RouteLimits* limits = nullptr;  // [n_layers] of its own. REQUIRES: set, for a mixture
};

struct StepPlan {
  std::vector<StepSlice> slices;

  size_t n_tokens() const {
    size_t n = 0;
    for (const StepSlice& slice : slices) n += slice.tokens.size();
    return n;
  }
  size_t n_logits() const {
    size_t n = 0;
    for (const StepSlice& slice : slices) n += slice.n_logits;
    return n;
  }
};

// Rows of activations as matmuls read them: f32, int8 when a weight type asks for it, and bf16 when there are so many rows that
// some matmul runs on that.
struct ActivationRows {
  struct alignas(64) Bf16Line {
    uint16_t values[32];
  };
  std::vector<float> values;  // [n, width]
  std::vector<int8_t> q;
  std::vector<float> scale;
  std::vector<int32_t> sum, half;
  std::vector<Bf16Line> bf16;  // [n, bf16_lines()], the last line of a row padded with zeros
  size_t width = 0;
  bool quantized = false;
  bool rounded = false;  // there is a bf16 form
  size_t bf16_from = 0;  // rows of one matmul from which it is wanted; 0: never. Set once by the session

  // most: the rows of the largest matmul that will read them, if fewer than n.
  void resize(size_t n, size_t row_width, bool with_int8, size_t most = SIZE_MAX);
  float* row(size_t i) { return values.data() + i * width; }
  const float* row(size_t i) const { return values.data() + i * width; }
  // The int8 form from row i on.
  QuantRows quant(size_t i = 0) const {
    const size_t block = i * width / kQuantBlock;
    return {q.data() + i * width, scale.data() + block, sum.data() + block, half.data() + block};
  }
  size_t bf16_lines() const { return (width + 31) / 32; }
  const uint16_t* bf16_row(size_t i) const { return bf16[i * bf16_lines()].values; }
  // Makes the int8 and bf16 forms of columns [first, first + n) of row i, where the rows have them. REQUIRES: whole blocks (of
  // 32; for bf16 alone the last may be cut).
  void quantize(const KernelTable& kernels, size_t i, size_t first, size_t n);
  // The same of n values that lie at `from` instead: the row's f32 form is not made.
  void quantize_from(const KernelTable& kernels, const float* from, size_t i, size_t first, size_t n);
};

// The arena of one session: every buffer that forward() writes. Sized by the largest step so far.
struct Activations {
  std::vector<float> residual;      // [n, d_model]
  std::vector<float> delta;         // [n, d_model]: what the last block adds to the residual
  ActivationRows normed;            // [n, d_model]
  std::vector<float> q, k, v;       // [n, d_q], [n, d_k], [n, d_v]; a latent is its own key and value: k
  ActivationRows q_factor;          // [n, q_rank]
  ActivationRows by_head;           // [n_heads, n, ..]: queries on their way to latents, then latents to values
  std::vector<float> q_latent;      // [n, n_heads, kv_rank + n_rot]
  ActivationRows attended;          // [n, d_attended]
  AttentionGrid attention;          // of the layer at hand
  std::vector<float> scores;        // [n, n_experts]
  std::vector<RouteLimits> limits;  // [n] of the layer at hand
  ActivationRows hidden;            // [n or routed rows, width of a feed-forward block]
  std::vector<float> routed;        // [routed rows, d_model]: each expert's weighted output, in routing order
  std::vector<float> shared;        // [n, d_model]: what the shared experts make
  ActivationRows last;              // [n_logits, d_model]
  std::vector<float> logits;        // [n_logits, n_vocab]
};

// cos and sin of every position, [ctx, n_rot/2] each.
struct RopeTable {
  std::vector<float> cos, sin;
  size_t half = 0;

  RopeTable(const RopeSpec& spec, size_t n_rot, size_t ctx);
};

// What a step ran, for the ledger: the plan, one Routing per MoE layer and what had to be read for it.
struct StepTrace {
  std::vector<Routing> routing;                // [n_layers], empty for dense layers
  std::vector<std::vector<ExpertRead>> reads;  // [n_layers], empty while all experts are resident
  std::optional<Error> failure;                // experts could not be read: the step's results mean nothing
};

// Everything that forward() may touch.
struct StepContext {
  const ModelSpec& spec;
  const Weights& weights;
  const ExpertStore& experts;
  const KernelTable& kernels;
  const RopeTable& rope;
  const RopeTable& local_rope;  // of layers with a window
  WorkerTeam& team;
  Activations& act;
  const StepPlan& plan;
  StepTrace& trace;
  const RoutingTrace* replay = nullptr;  // tokens take its experts, not the router's; null: they take the router's
  PartClock* clock = nullptr;  // null: nobody asked where the time goes

  // What runs from here on belongs to `part`.
  void enter(Part part) {
    if (clock != nullptr) clock->enter(part);
  }

  // Calls fn(row) for rows [0, n): on the team, or here when there are so few that a grid would cost more than it saves.
  template <class Fn>
  void for_rows(size_t n, Fn&& fn) {
    constexpr size_t kSerialRows = 4;
    if (n > kSerialRows) return team.run(n, fn);
    for (size_t row = 0; row < n; ++row) fn(row);
  }
};

}  // namespace siskin
