// ExpertStore: the only way by which forward() reaches experts. All of them are resident, or some are, in slots, and the others are
// read from a packed file when the router asks for them (disk.h).
#pragma once

#include <siskin/result.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/weights.h"

namespace siskin {

class DiskExperts;

// The matrices of one expert, where they lie while its group is computed.
struct ExpertMatrices {
  uint32_t expert = 0;
  PackedMatrix gate, up, down;
};

// An expert that a step had to read.
struct ExpertRead {
  uint32_t expert = 0;
  uint64_t bytes = 0;  // from the disk, with what its pages held beside it
};

// The experts that a step needs of one layer, handed out in groups as they can be computed: first what is there, then what comes from
// the disk. It holds the slots of its group and of what is on its way, and nothing else, so that sessions never wait for each other
// in a circle, and a step may need more experts than there are slots.
class ExpertLease {
 public:
  ExpertLease(const Weights& weights, size_t layer, std::vector<uint32_t> experts);
  ExpertLease(const Weights& weights, size_t layer, std::vector<uint32_t> experts, DiskExperts& disk);
  ExpertLease(const ExpertLease&) = delete;
  ExpertLease& operator=(const ExpertLease&) = delete;
  ~ExpertLease();

  // The next group; empty: every expert has been handed out. What the last call gave is given back. Errors: what reading met.
  Result<std::span<const ExpertMatrices>> next();
  // What this lease read so far.
  const std::vector<ExpertRead>& reads() const { return reads_; }

 private:
  friend class DiskExperts;
  ExpertMatrices matrices(uint32_t expert) const;

  const Tensor& gate_;
  const Tensor& up_;
  const Tensor& down_;
  DiskExperts* disk_ = nullptr;  // null: all are resident
  size_t layer_;
  std::vector<uint32_t> missing_;                   // not asked for yet; of resident experts: not handed out
  std::vector<std::pair<uint32_t, uint32_t>> held_; // (expert, slot) that are not handed out: there, or on their way
  std::vector<uint32_t> slots_;                     // of the group
  std::vector<ExpertMatrices> group_;
  std::vector<ExpertRead> reads_;
};

class ExpertStore {
 public:
  explicit ExpertStore(const Weights& weights);
  ExpertStore(const Weights& weights, std::unique_ptr<DiskExperts> disk);
  ~ExpertStore();

  // Asks for the experts of one MoE layer. REQUIRES: `experts` ascend, each once.
  ExpertLease acquire(size_t layer, std::vector<uint32_t> experts) const;
  const DiskExperts* disk() const { return disk_.get(); }  // null: all are resident

 private:
  const Weights& weights_;
  std::unique_ptr<DiskExperts> disk_;
};

}  // namespace siskin
