// DiskExperts: experts that stay in a packed file, and a fixed number of slots in memory that hold those last worth keeping. Threads of
// its own read; sessions share the slots.
#pragma once

#include <siskin/result.h>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "engine/experts/cache.h"
#include "engine/experts/store.h"
#include "engine/spec.h"
#include "engine/weights.h"
#include "formats/files/direct_file.h"

namespace siskin {

class DiskExperts {
 public:
  // Memory of one slot: the largest expert, its matrices from page to page of the file. REQUIRES: weights that left their experts.
  static uint64_t slot_bytes(const ModelSpec& spec, const Weights& weights);

  // Errors: out_of_memory. REQUIRES: n_slots > 0.
  static Result<std::unique_ptr<DiskExperts>> create(const ModelSpec& spec, const Weights& weights, DirectFile file, size_t n_slots);
  ~DiskExperts();
  DiskExperts(const DiskExperts&) = delete;
  DiskExperts& operator=(const DiskExperts&) = delete;

  size_t n_slots() const { return cache_.n_slots(); }
  uint64_t untouched_bytes() const;  // of the slots: memory that is promised and not taken yet

 private:
  friend class ExpertLease;

  enum class State : uint8_t { ready, reading, failed };
  struct SlotState {
    State state = State::ready;
    uint32_t holders = 0;
    uint32_t pieces_left = 0;
    std::optional<Error> error;
  };
  // One read: whole pages of the file.
  struct Piece {
    uint32_t slot;
    size_t offset, bytes;
    std::byte* target;
  };
  // Where a matrix of an expert begins in the file, and the pages that hold it.
  struct Place {
    size_t first_page, bytes, skip;
  };

  DiskExperts(const ModelSpec& spec, DirectFile file, std::shared_ptr<std::byte> memory, uint64_t slot_bytes, size_t n_slots);

  // Of a lease: asks for all it can; waits for its next group; lets go of everything.
  void begin(ExpertLease& lease);
  Status next(ExpertLease& lease);
  void end(ExpertLease& lease) noexcept;

  static Place place(const Tensor& tensor, uint32_t expert);
  void ask(ExpertLease& lease);  // for what is missing, as far as there are slots
  void hold(ExpertLease& lease, uint32_t expert, uint32_t slot);
  void let_go(uint32_t slot);
  uint64_t queue_reads(const ExpertLease& lease, uint32_t expert, uint32_t slot);
  ExpertMatrices in_slot(const ExpertLease& lease, uint32_t expert, uint32_t slot) const;
  void read_pieces();

  DirectFile file_;
  std::shared_ptr<std::byte> memory_;
  uint64_t slot_bytes_;
  size_t n_experts_;

  mutable std::mutex mutex_;  // of all below
  std::condition_variable work_, change_;
  ExpertCache cache_;
  std::vector<SlotState> slots_;
  std::vector<bool> touched_;
  std::deque<Piece> queue_;
  bool stop_ = false;
  std::vector<std::thread> readers_;
};

}  // namespace siskin
