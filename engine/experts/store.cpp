#include "engine/experts/store.h"

#include <utility>

#include "engine/experts/disk.h"

namespace siskin {

ExpertLease::ExpertLease(const Weights& weights, size_t layer, std::vector<uint32_t> experts)
    : gate_(weights.get(Slot::ffn_gate_exps, layer)),
      up_(weights.get(Slot::ffn_up_exps, layer)),
      down_(weights.get(Slot::ffn_down_exps, layer)),
      layer_(layer),
      missing_(std::move(experts)) {}

ExpertLease::ExpertLease(const Weights& weights, size_t layer, std::vector<uint32_t> experts, DiskExperts& disk)
    : ExpertLease(weights, layer, std::move(experts)) {
  disk_ = &disk;
  disk.begin(*this);
}

ExpertLease::~ExpertLease() {
  if (disk_ != nullptr) disk_->end(*this);
}

ExpertMatrices ExpertLease::matrices(uint32_t expert) const {
  return {expert, gate_.slices[expert], up_.slices[expert], down_.slices[expert]};
}

Result<std::span<const ExpertMatrices>> ExpertLease::next() {
  if (disk_ != nullptr) {
    const Status status = disk_->next(*this);
    if (!status) return status.error();
    return std::span<const ExpertMatrices>(group_);
  }
  group_.clear();
  for (const uint32_t expert : std::exchange(missing_, {})) group_.push_back(matrices(expert));
  return std::span<const ExpertMatrices>(group_);
}

ExpertStore::ExpertStore(const Weights& weights) : weights_(weights) {}
ExpertStore::ExpertStore(const Weights& weights, std::unique_ptr<DiskExperts> disk) : weights_(weights), disk_(std::move(disk)) {}
ExpertStore::~ExpertStore() = default;

ExpertLease ExpertStore::acquire(size_t layer, std::vector<uint32_t> experts) const {
  if (disk_ == nullptr) return ExpertLease(weights_, layer, std::move(experts));
  return ExpertLease(weights_, layer, std::move(experts), *disk_);
}

}  // namespace siskin
