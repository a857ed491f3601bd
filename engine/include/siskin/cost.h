// The ledger's answer: which parameters a request used and which bytes it read, for prefill and decode apart.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <siskin/export.h>

namespace siskin {

enum class Role : uint8_t { embedding, attention, router, experts, shared_experts, ffn, norms, head, other };
inline constexpr size_t kRoles = 9;
SISKIN_API const char* role_name(Role role);

// Bytes of a step are the union of the packed row ranges that it touched, each counted once; KV once per (request, layer, head,
// position). A phase adds its steps up. In a step shared by several requests each gets its share; the shares add up exactly.
struct PhaseCost {
  // One layer's experts: distinct ones in the phase; and distinct ones of each step, summed over the steps.
  struct LayerExperts {
    uint64_t touched = 0;
    uint64_t reads = 0;
  };

  uint64_t tokens = 0;  // positions run through the model in this phase
  uint64_t steps = 0;
  uint64_t total_params = 0;
  uint64_t active_params = 0;         // nominal: without the experts that top-k leaves out
  double active_params_per_token = 0; // the mean actually used
  uint64_t params_touched = 0;        // union over the phase
  uint64_t experts_touched = 0;       // distinct (layer, expert) pairs read
  uint64_t expert_reads = 0;          // distinct pairs of each step, summed over the steps
  uint64_t expert_disk_reads = 0;     // of expert_reads, those that had to be read from disk first
  std::vector<LayerExperts> experts_by_layer;  // [n_layers] of a mixture, zeros for dense layers
  double experts_per_token = 0;       // mean per token and MoE layer; 0 for dense models
  uint64_t weight_bytes = 0;
  std::array<uint64_t, kRoles> weight_bytes_by_role{};
  uint64_t padding_bytes = 0;         // of weight_bytes, what only pads a layout
  uint64_t kv_read_bytes = 0;
  uint64_t kv_write_bytes = 0;
  uint64_t disk_bytes = 0;            // whole pages; weight_bytes counts the same weights again, when memory is read
  uint64_t flops_f32 = 0;             // executed operations by the unit they ran on; a multiply-add is two
  uint64_t flops_int8 = 0;
  uint64_t flops_bf16 = 0;
  double seconds = 0;
  double gb_s = 0;                          // (weight_bytes + kv_read_bytes) / seconds / 1e9
  std::optional<double> bandwidth_share;    // gb_s over the machine's measured read bandwidth; absent: machine not measured
  std::optional<double> flops_share;

  uint64_t flops() const { return flops_f32 + flops_int8 + flops_bf16; }
};

struct Cost {
  PhaseCost prefill;
  PhaseCost decode;
};

// One JSON object {"prefill": {...}, "decode": {...}}; absent shares are null.
SISKIN_API std::string to_json(const Cost& cost);
// A table for people: one line per role, active of total parameters, bandwidth share.
SISKIN_API std::string to_text(const Cost& cost);

}  // namespace siskin
