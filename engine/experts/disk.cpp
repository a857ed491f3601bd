#include "engine/experts/disk.h"

#include <algorithm>

#include "engine/huge_memory.h"
#include "formats/check.h"

namespace siskin {
namespace {

// Reads in flight at once: what a solid-state disk wants of requests this large.
constexpr size_t kReaders = 4;
constexpr size_t kPieceBytes = size_t{2} << 20;

size_t pages_end(size_t offset) { return (offset + DirectFile::kAlignment - 1) / DirectFile::kAlignment * DirectFile::kAlignment; }

constexpr Slot kExpertSlots[] = {Slot::ffn_gate_exps, Slot::ffn_up_exps, Slot::ffn_down_exps};

}  // namespace

DiskExperts::Place DiskExperts::place(const Tensor& tensor, uint32_t expert) {
  const size_t begin = tensor.file_offset + expert * tensor.slice_bytes();
  const size_t first_page = begin / DirectFile::kAlignment * DirectFile::kAlignment;
  return {first_page, pages_end(begin + tensor.slice_bytes()) - first_page, begin - first_page};
}

uint64_t DiskExperts::slot_bytes(const ModelSpec& spec, const Weights& weights) {
  uint64_t most = 0;
  for (size_t layer = 0; layer < spec.n_layers; ++layer) {
    uint64_t bytes = 0;
    for (const Slot slot : kExpertSlots) {
      // A matrix that begins inside a page takes part of one page more.
      if (const Tensor* tensor = weights.find(slot, layer)) bytes += pages_end(tensor->slice_bytes()) + DirectFile::kAlignment;
    }
    most = std::max(most, bytes);
  }
  return most;
}

Result<std::unique_ptr<DiskExperts>> DiskExperts::create(const ModelSpec& spec, const Weights& weights, DirectFile file,
                                                         size_t n_slots) {
  const uint64_t bytes = slot_bytes(spec, weights);
  auto memory = map_huge_memory(bytes * n_slots);
  if (!memory) {
    return Error{ErrorCode::out_of_memory, "could not reserve " + std::to_string(bytes * n_slots) + " bytes for experts"};
  }
  return std::unique_ptr<DiskExperts>(new DiskExperts(spec, std::move(file), std::move(memory), bytes, n_slots));
}

DiskExperts::DiskExperts(const ModelSpec& spec, DirectFile file, std::shared_ptr<std::byte> memory, uint64_t slot_bytes,
                         size_t n_slots)
    : file_(std::move(file)),
      memory_(std::move(memory)),
      slot_bytes_(slot_bytes),
      n_experts_(spec.n_experts),
      cache_(spec.n_layers, spec.n_experts, n_slots, Eviction::lrfu),
      slots_(n_slots),
      touched_(n_slots) {
  for (size_t i = 0; i < kReaders; ++i) readers_.emplace_back([this] { read_pieces(); });
}

DiskExperts::~DiskExperts() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  work_.notify_all();
  for (std::thread& reader : readers_) reader.join();
}

uint64_t DiskExperts::untouched_bytes() const {
  const std::lock_guard lock(mutex_);
  return slot_bytes_ * static_cast<uint64_t>(std::count(touched_.begin(), touched_.end(), false));
}

void DiskExperts::begin(ExpertLease& lease) {
  const std::lock_guard lock(mutex_);
  cache_.visit();
  for (const uint32_t expert : lease.missing_) cache_.use(lease.layer_ * n_experts_ + expert);
  // What is there must not make room for what is not.
  std::erase_if(lease.missing_, [&](uint32_t expert) {
    const uint32_t slot = cache_.slot_of(lease.layer_ * n_experts_ + expert);
    if (slot != ExpertCache::kNone) hold(lease, expert, slot);
    return slot != ExpertCache::kNone;
  });
  ask(lease);
}

void DiskExperts::ask(ExpertLease& lease) {
  const auto asked = [&](uint32_t expert) {
    const size_t key = lease.layer_ * n_experts_ + expert;
    if (const uint32_t slot = cache_.slot_of(key); slot != ExpertCache::kNone) {  // another session's by now
      hold(lease, expert, slot);
      return true;
    }
    const uint32_t slot = cache_.place(key, [&](uint32_t other) { return slots_[other].holders > 0 || slots_[other].pieces_left > 0; });
    if (slot == ExpertCache::kNone) return false;
    hold(lease, expert, slot);
    lease.reads_.push_back({expert, queue_reads(lease, expert, slot)});
    return true;
  };
  const auto first_left = std::find_if_not(lease.missing_.begin(), lease.missing_.end(), asked);
  lease.missing_.erase(lease.missing_.begin(), first_left);
}

void DiskExperts::hold(ExpertLease& lease, uint32_t expert, uint32_t slot) {
  ++slots_[slot].holders;
  lease.held_.emplace_back(expert, slot);
}

void DiskExperts::let_go(uint32_t slot) {
  SlotState& state = slots_[slot];
  --state.holders;
  if (state.holders == 0 && state.state == State::failed && state.pieces_left == 0) {
    cache_.remove(slot);
    state = {};
  }
}

uint64_t DiskExperts::queue_reads(const ExpertLease& lease, uint32_t expert, uint32_t slot) {
  SlotState& state = slots_[slot];
  state.state = State::reading;
  state.pieces_left = 0;
  touched_[slot] = true;
  std::byte* target = memory_.get() + slot * slot_bytes_;
  uint64_t bytes = 0;
  for (const Tensor* tensor : {&lease.gate_, &lease.up_, &lease.down_}) {
    const Place matrix = place(*tensor, expert);
    for (size_t done = 0; done < matrix.bytes; done += kPieceBytes) {
      queue_.push_back({slot, matrix.first_page + done, std::min(kPieceBytes, matrix.bytes - done), target + done});
      ++state.pieces_left;
    }
    bytes += std::min(matrix.bytes, file_.size() - matrix.first_page);
    target += matrix.bytes;
  }
  work_.notify_all();
  return bytes;
}

ExpertMatrices DiskExperts::in_slot(const ExpertLease& lease, uint32_t expert, uint32_t slot) const {
  ExpertMatrices matrices = lease.matrices(expert);
  const std::byte* memory = memory_.get() + slot * slot_bytes_;
  const auto put = [&](const Tensor& tensor, PackedMatrix& matrix) {
    const Place from = place(tensor, expert);
    matrix.data = memory + from.skip;
    memory += from.bytes;
  };
  put(lease.gate_, matrices.gate);
  put(lease.up_, matrices.up);
  put(lease.down_, matrices.down);
  return matrices;
}

Status DiskExperts::next(ExpertLease& lease) {
  std::unique_lock lock(mutex_);
  for (const uint32_t slot : lease.slots_) let_go(slot);
  if (!lease.slots_.empty()) change_.notify_all();
  lease.slots_.clear();
  lease.group_.clear();
  for (;;) {
    ask(lease);
    for (const auto& [expert, slot] : lease.held_) {
      if (slots_[slot].state == State::failed) return *slots_[slot].error;
    }
    std::erase_if(lease.held_, [&](const auto& held) {
      const auto [expert, slot] = held;
      if (slots_[slot].state != State::ready) return false;
      lease.group_.push_back(in_slot(lease, expert, slot));
      lease.slots_.push_back(slot);
      return true;
    });
    if (!lease.group_.empty() || (lease.held_.empty() && lease.missing_.empty())) return {};
    change_.wait(lock);
  }
}

void DiskExperts::end(ExpertLease& lease) noexcept {
  {
    const std::lock_guard lock(mutex_);
    for (const uint32_t slot : lease.slots_) let_go(slot);
    for (const auto& [expert, slot] : lease.held_) let_go(slot);
  }
  change_.notify_all();
}

void DiskExperts::read_pieces() {
  std::unique_lock lock(mutex_);
  for (;;) {
    work_.wait(lock, [&] { return stop_ || !queue_.empty(); });
    if (stop_) return;
    const Piece piece = queue_.front();
    queue_.pop_front();
    SlotState& state = slots_[piece.slot];
    if (state.state == State::reading) {
      lock.unlock();
      const Status read = file_.read(piece.offset, piece.bytes, piece.target);
      lock.lock();
      if (!read) {
        state.state = State::failed;
        state.error = read.error();
      }
    }
    if (--state.pieces_left > 0) continue;
    if (state.state == State::reading) state.state = State::ready;
    if (state.state == State::failed && state.holders == 0) {
      cache_.remove(piece.slot);
      state = {};
    }
    change_.notify_all();
  }
}

}  // namespace siskin
