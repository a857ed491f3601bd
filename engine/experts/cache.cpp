#include "engine/experts/cache.h"

#include <cmath>

#include "formats/check.h"

namespace siskin {
namespace {

constexpr double kHalfLife = 32;  // visits of each layer

}  // namespace

ExpertCache::ExpertCache(size_t n_layers, size_t n_experts, size_t n_slots, Eviction eviction)
    : slot_of_(n_layers * n_experts, kNone),
      expert_in_(n_slots, kNone),
      worth_(n_layers * n_experts, -std::numeric_limits<double>::infinity()),
      eviction_(eviction),
      half_life_(kHalfLife * static_cast<double>(n_layers)) {
  for (size_t slot = n_slots; slot-- > 0;) empty_.push_back(static_cast<uint32_t>(slot));
}

// The combined recency and frequency of Lee et al., "LRFU" (IEEE Transactions on Computers 50(12), 2001): the sum over an expert's uses
// of 2^(-age / half life). Its logarithm plus now / half life does not change between uses, so that is what is kept and compared.
void ExpertCache::use(size_t expert) {
  const double now = now_ / half_life_;
  worth_[expert] = eviction_ == Eviction::lru ? now_ : now + std::log2(1 + std::exp2(worth_[expert] - now));
}

uint32_t ExpertCache::place(size_t expert, const std::function<bool(uint32_t slot)>& held) {
  SISKIN_CHECK(slot_of_[expert] == kNone);
  uint32_t chosen = kNone;
  if (!empty_.empty()) {
    chosen = empty_.back();
    empty_.pop_back();
  } else {
    for (uint32_t slot = 0; slot < expert_in_.size(); ++slot) {
      if (expert_in_[slot] == kNone || held(slot)) continue;
      if (chosen == kNone || worth_[expert_in_[slot]] < worth_[expert_in_[chosen]]) chosen = slot;
    }
    if (chosen == kNone) return kNone;
    slot_of_[expert_in_[chosen]] = kNone;
  }
  expert_in_[chosen] = static_cast<uint32_t>(expert);
  slot_of_[expert] = chosen;
  return chosen;
}

void ExpertCache::remove(uint32_t slot) {
  SISKIN_CHECK(expert_in_[slot] != kNone);
  slot_of_[expert_in_[slot]] = kNone;
  expert_in_[slot] = kNone;
  empty_.push_back(slot);
}

}  // namespace siskin
