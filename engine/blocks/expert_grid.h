// Feed-forward blocks over rows sorted by expert, as grids over all experts' tiles at once: no barrier per expert. A dense
// block is one expert that has all rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/step.h"

namespace siskin {

// Part of a vector that is added to a product's rows.
struct Bias {
  const float* values = nullptr;  // null: none
  uint32_t tensor = 0;            // identity, for the ledger
};

// The sorted rows of one expert.
struct Panel {
  const PackedMatrix* gate;
  const PackedMatrix* up;
  const PackedMatrix* down;
  size_t first;  // sorted row
  size_t n;
  size_t row_task;  // row tasks of the panels before
  Bias gate_bias, up_bias, down_bias;
};

// act.hidden[row] = activation(gate x[tokens[row]]) * (up x[tokens[row]]) for rows x = act.normed. input_weights: what gate x
// and up x of each sorted row are multiplied by before their biases; null: 1.
void gate_up(StepContext& ctx, const std::vector<Panel>& panels, const uint32_t* tokens, const float* input_weights = nullptr);

// act.routed[entry(row)] = weight[entry(row)] * (down hidden[row]); each task owns some columns of some rows.
void expert_down(StepContext& ctx, const std::vector<Panel>& panels, const ExpertBatches& batches,
                 const std::vector<float>& weights);

// act.delta[token] = sum over its entries in act.routed, in rank order.
void combine(StepContext& ctx, const Routing& routing);

}  // namespace siskin
