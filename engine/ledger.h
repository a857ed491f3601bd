// The ledger: what a step cost, derived once per step from the bound tensors, the plan and the routing. Models and kernels hold no
// counters. Definitions: cost.h.
#pragma once

#include <cstdint>
#include <vector>

#include <siskin/cost.h>
#include <siskin/machine.h>

#include "engine/spec.h"
#include "engine/step.h"
#include "engine/weights.h"

namespace siskin {

enum class Phase : uint8_t { prefill, decode };

// One request's running account.
class Account {
 public:
  // Totals so far, with rates against `machine` (may be null) at `threads`.
  Cost cost(const MachineProfile* machine, unsigned threads) const;

 private:
  friend class Ledger;
  struct PhaseTotals {
    uint64_t steps = 0, tokens = 0, logits = 0;
    uint64_t expert_uses = 0, expert_params_used = 0;  // summed over tokens
    std::array<uint64_t, kRoles> bytes{};
    uint64_t padding = 0, kv_read = 0, kv_write = 0, flops_f32 = 0, flops_int8 = 0, flops_bf16 = 0;
    double seconds = 0;
    uint64_t disk = 0, disk_reads = 0;
    std::vector<uint64_t> reads;  // [n_layers] experts of each step
    std::vector<bool> experts;   // [n_layers * n_experts] touched
    std::vector<bool> rows;      // [n_vocab] embedding rows touched
  };
  const class Ledger* ledger_ = nullptr;
  uint64_t kv_position_bytes_ = 0;
  PhaseTotals phases_[2];
};

// Operations of one row by what decides their unit: the weights' type and, where it has a bf16 kernel, the rows of the product.
struct TypeFlops {
  uint64_t f32 = 0, f16 = 0, bf16 = 0, fp8 = 0, blocks = 0;
};

class Ledger {
 public:
  Ledger(const ModelSpec& spec, const Weights& weights);

  // An account whose KV cache keeps a position in that many bytes.
  Account open(uint64_t kv_position_bytes) const;

  // Adds a finished step: accounts[i] and phases[i] belong to plan.slices[i]. Shared bytes are split in proportion to tokens (experts:
  // to the tokens routed there; the head: to the logits rows) and add up exactly.
  // `kernels` is the table that ran: it says which products ran on bf16.
  void post(const StepPlan& plan, const StepTrace& trace, const KernelTable& kernels, double seconds,
            const std::vector<Account*>& accounts, const std::vector<Phase>& phases) const;

  uint64_t total_params() const { return total_params_; }
  uint64_t active_params() const { return active_params_; }
  uint64_t active_weight_bytes() const;  // one decoded token: an embedding row, top-k experts, the head, everything else
  uint64_t padding_bytes() const { return padding_; }
  uint64_t expert_bytes(size_t layer) const { return expert_layers_[layer].bytes; }  // of one expert; 0: a dense layer

 private:
  friend class Account;
  struct RoleBytes {
    uint64_t bytes = 0, padding = 0;
  };
  void post_always(const StepPlan& plan, const std::vector<Account*>& accounts, const std::vector<Phase>& phases) const;
  void post_head(const StepPlan& plan, const std::vector<Account*>& accounts, const std::vector<Phase>& phases) const;
  void post_embedding(const StepPlan& plan, const std::vector<Account*>& accounts, const std::vector<Phase>& phases) const;
  void post_experts(const StepPlan& plan, const StepTrace& trace, const KernelTable& kernels,
                    const std::vector<Account*>& accounts, const std::vector<Phase>& phases) const;
  struct ExpertLayer {
    uint64_t bytes = 0, padding = 0, params = 0;  // of one expert
    TypeFlops flops;                              // of one expert and token
  };

  const ModelSpec& spec_;
  RoleBytes always_[kRoles];  // read by every step
  RoleBytes head_;            // read when logits are wanted, with the last norm
  uint64_t last_norm_bytes_ = 0;
  uint64_t row_bytes_ = 0, row_padding_ = 0;  // of one embedding row
  uint64_t always_params_ = 0, head_params_ = 0, last_norm_params_ = 0, expert_params_ = 0;
  size_t moe_layers_ = 0;
  bool tied_ = false;
  TypeFlops always_flops_;                  // per token
  TypeFlops head_flops_;                    // per logits row
  std::vector<ExpertLayer> expert_layers_;  // [n_layers], bytes 0: dense
  uint64_t total_params_ = 0, active_params_ = 0, padding_ = 0;
};

// Splits `total` in proportion to `parts`: floors first, then one each to the largest remainders (ties by lower index), so that the
// shares add up to total. REQUIRES: some part > 0.
std::vector<uint64_t> split_exactly(uint64_t total, const std::vector<uint64_t>& parts);

}  // namespace siskin
