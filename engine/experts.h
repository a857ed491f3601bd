// ExpertStore: the only way by which forward() reaches experts. All are resident today; a packed file read on demand can stand
// behind the same call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/weights.h"

namespace siskin {

class ExpertStore {
 public:
  explicit ExpertStore(const Weights& weights) : weights_(weights) {}

  // One layer's experts, held while this object lives.
  class Lease {
   public:
    const PackedMatrix& gate(size_t expert) const { return gate_->slices[expert]; }
    const PackedMatrix& up(size_t expert) const { return up_->slices[expert]; }
    const PackedMatrix& down(size_t expert) const { return down_->slices[expert]; }

   private:
    friend class ExpertStore;
    const Tensor* gate_ = nullptr;
    const Tensor* up_ = nullptr;
    const Tensor* down_ = nullptr;
  };

  // The experts of one MoE layer that a step needs. `ids` may repeat.
  Lease acquire(size_t layer, std::span<const uint32_t> ids) const {
    static_cast<void>(ids);  // resident: nothing to fetch
    Lease lease;
    lease.gate_ = &weights_.get(Slot::ffn_gate_exps, layer);
    lease.up_ = &weights_.get(Slot::ffn_up_exps, layer);
    lease.down_ = &weights_.get(Slot::ffn_down_exps, layer);
    return lease;
  }

 private:
  const Weights& weights_;
};

}  // namespace siskin
