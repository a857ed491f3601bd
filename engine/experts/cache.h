// ExpertCache: which experts of a model lie in which slot, and which one goes when another comes. Bookkeeping alone: the store
// (store.h) keeps the bytes, a replay of a trace keeps none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

namespace siskin {

enum class Eviction : uint8_t {
  lru,   // the expert whose last use is longest ago
  lrfu,  // the expert with the least uses, each counting half as much after kHalfLife more visits of every layer
};

class ExpertCache {
 public:
  static constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();

  // Experts are numbered layer * n_experts + expert.
  ExpertCache(size_t n_layers, size_t n_experts, size_t n_slots, Eviction eviction);

  size_t n_slots() const { return expert_in_.size(); }
  uint32_t slot_of(size_t expert) const { return slot_of_[expert]; }      // kNone: not kept
  uint32_t expert_in(uint32_t slot) const { return expert_in_[slot]; }  // kNone: empty

  // A step visits a layer: time goes on.
  void visit() { now_ += 1; }
  // An expert is used in this visit, kept or not.
  void use(size_t expert);

  // Gives an expert that is not kept a slot: an empty one, else that of the expert worth least (ties: the lowest slot) among those that
  // `held` leaves. kNone: all are held. Whoever was there is forgotten.
  uint32_t place(size_t expert, const std::function<bool(uint32_t slot)>& held);
  // Empties a slot.
  void remove(uint32_t slot);

 private:
  std::vector<uint32_t> slot_of_, expert_in_;
  std::vector<double> worth_;  // of every expert, kept or not; comparable at any time
  std::vector<uint32_t> empty_;
  Eviction eviction_;
  double now_ = 0;
  double half_life_;  // in visits
};

}  // namespace siskin
