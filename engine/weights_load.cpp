// Weights::load: file rows become packed strips, in parallel, in pieces of about a huge page.
#include <algorithm>
#include <cstring>

#include "engine/exec/fork_join.h"
#include "engine/huge_memory.h"
#include "engine/weights.h"
#include "formats/blocks/codec.h"
#include "formats/try.h"

namespace siskin {
namespace {

constexpr size_t kPiecesPerThread = 16;  // between two reports of progress: uneven ends cost a thirtieth

constexpr uint64_t aligned(uint64_t bytes) { return (bytes + 63) / 64 * 64; }

// Some strips of one slice, and where they come from.
struct Piece {
  const Tensor* tensor;
  size_t slice;
  std::byte* target;  // the slice's first byte in memory
  size_t begin, end;  // strips
  uint64_t bytes() const { return (end - begin) * tensor->slices[0].strip_bytes; }
};

PackedMatrix packed_matrix(const Tensor& tensor, size_t slice, const std::byte* data) {
  PackedMatrix matrix;
  matrix.data = data;
  matrix.type = tensor.type;
  matrix.layout = packed_layout(tensor.type);
  matrix.rows = tensor.rows;
  matrix.cols = tensor.cols;
  matrix.strip_bytes = packed_strip_bytes(tensor.type, tensor.cols);
  matrix.tensor = tensor.id;
  matrix.slice = static_cast<uint32_t>(slice);
  return matrix;
}

void load_piece(const ModelFile& file, const Piece& piece) {
  const Tensor& tensor = *piece.tensor;
  const size_t strip_bytes = tensor.slices[0].strip_bytes;
  const TensorView& view = *tensor.source;
  if (file.is_packed()) {
    const std::byte* begin = view.slices[piece.slice] + piece.begin * strip_bytes;
    std::memcpy(piece.target + piece.begin * strip_bytes, begin, piece.bytes());
    file.release(begin, piece.bytes());
    return;
  }
  std::vector<std::byte> room;
  const size_t first_row = piece.begin * kStripRows, last_row = std::min(piece.end * kStripRows, tensor.rows);
  for (size_t row = first_row; row < last_row; row += kStripRows) {
    const size_t n = std::min(kStripRows, last_row - row);
    pack_strips(tensor.type, rows_of(view, piece.slice, row, n, room), n, tensor.cols, 0, 1,
                piece.target + row / kStripRows * strip_bytes);
  }
  if (view.is_scattered()) return;  // other pieces read the same pages
  const size_t row_bytes = view.slice_bytes / tensor.rows;
  file.release(view.slices[piece.slice] + first_row * row_bytes, (last_row - first_row) * row_bytes);
}

// One grid over all matrices: small ones do not wait for each other.
Status load_pieces(const ModelFile& file, const std::vector<Piece>& pieces, const WeightLoading& how, uint64_t total) {
  const size_t threads = std::max(1u, how.threads);
  tbb::task_arena arena(static_cast<int>(threads));
  uint64_t done = 0;
  for (size_t begin = 0; begin < pieces.size(); begin += threads * kPiecesPerThread) {
    const size_t end = std::min(begin + threads * kPiecesPerThread, pieces.size());
    fork_join(arena, begin, end, 1, [&](size_t first, size_t last) {
      for (size_t i = first; i < last; ++i) load_piece(file, pieces[i]);
    });
    for (size_t i = begin; i < end; ++i) done += pieces[i].bytes();
    if (how.on_progress && !how.on_progress(done, total)) return Error{ErrorCode::cancelled, "loading was cancelled"};
  }
  return {};
}

}  // namespace

Status Weights::load(ModelFile file, const WeightLoading& how) {
  const bool in_place = file.is_packed() && !how.copy_packed && !how.leave_experts;
  if (how.leave_experts) {
    for (Tensor& tensor : tensors_) {
      if (!may_stay_on_disk(tensor)) continue;
      tensor.on_disk = true;
      tensor.file_offset = file.offset_of(tensor.source->slices[0]);
    }
  }
  uint64_t room = 0, total = 0;
  for (const Tensor& tensor : tensors_) {
    if (tensor.is_vector || tensor.on_disk) continue;
    room += aligned(tensor.bytes());
    total += tensor.bytes();
  }
  if (!in_place) {
    memory_ = map_huge_memory(std::max<size_t>(room, kHugePage));
    if (!memory_)
      return Error{ErrorCode::out_of_memory, "could not reserve " + std::to_string(room) + " bytes for the weights"};
  }

  std::vector<Piece> pieces;
  uint64_t offset = 0;
  for (Tensor& tensor : tensors_) {
    const TensorView& view = *tensor.source;
    if (tensor.is_vector) {
      tensor.values = tensor.file_values();
      continue;
    }
    for (size_t slice = 0; slice < tensor.n_slices; ++slice) {
      const bool copied = !in_place && !tensor.on_disk;
      std::byte* target = copied ? memory_.get() + offset + slice * tensor.slice_bytes() : nullptr;
      tensor.slices.push_back(packed_matrix(tensor, slice, in_place ? view.slices[slice] : target));
      if (!copied) continue;
      const size_t strips = tensor.slices[0].strips();
      const size_t step = std::max<size_t>(1, kHugePage / tensor.slices[0].strip_bytes);
      for (size_t begin = 0; begin < strips; begin += step) {
        pieces.push_back({&tensor, slice, target, begin, std::min(begin + step, strips)});
      }
    }
    if (!tensor.on_disk) offset += aligned(tensor.bytes());
  }
  SISKIN_TRY_STATUS(load_pieces(file, pieces, how, total));
  for (Tensor& tensor : tensors_) tensor.source = nullptr;
  if (!in_place) return {};
  file.keep_mapped();
  mapped_ = std::move(file);
  if (how.on_progress && !how.on_progress(total, total)) return Error{ErrorCode::cancelled, "loading was cancelled"};
  return {};
}

}  // namespace siskin
