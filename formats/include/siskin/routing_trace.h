// RoutingTrace: which experts each token of some texts used, layer by layer, and with what weight. Plain data; trace.h records and
// judges it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace siskin {

struct RoutingTrace {
  std::string model;      // its name
  uint64_t identity = 0;  // model_identity(); 0: unknown
  size_t n_layers = 0, n_experts = 0;
  std::vector<uint64_t> expert_bytes;  // [n_layers] of one expert, as kept in memory; 0: a dense layer
  std::vector<int32_t> tokens;         // in the order in which they ran
  std::vector<uint32_t> sequences;     // [tokens] which text each belongs to
  std::vector<uint64_t> offsets{0};    // [tokens * n_layers + 1] into the two below: token t, layer l is row t * n_layers + l
  std::vector<uint16_t> experts;       // in rank order
  std::vector<float> weights;

  size_t n_tokens() const { return tokens.size(); }
  std::span<const uint16_t> experts_of(size_t token, size_t layer) const {
    const size_t row = token * n_layers + layer;
    return std::span(experts).subspan(offsets[row], offsets[row + 1] - offsets[row]);
  }
  std::span<const float> weights_of(size_t token, size_t layer) const {
    const size_t row = token * n_layers + layer;
    return std::span(weights).subspan(offsets[row], offsets[row + 1] - offsets[row]);
  }
};

}  // namespace siskin
