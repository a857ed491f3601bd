#include "engine/weights.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>
#include <sys/mman.h>

#include "formats/blocks/codec.h"
#include "formats/check.h"

namespace siskin {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

// The layer number that `name` has in place of the pattern's *, or nothing.
std::optional<size_t> match_layer(std::string_view pattern, std::string_view name) {
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == name ? std::optional<size_t>(0) : std::nullopt;
  const std::string_view head = pattern.substr(0, star), tail = pattern.substr(star + 1);
  if (name.size() <= head.size() + tail.size() || !name.starts_with(head) || !name.ends_with(tail)) return std::nullopt;
  const std::string_view digits = name.substr(head.size(), name.size() - head.size() - tail.size());
  size_t layer = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), layer);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return layer;
}

Error wrong_shape(const ModelFile& file, const TensorView& view, const Shape& expected) {
  return {ErrorCode::corrupt_file, file.path().filename().string() + ": " + view.name + ": shape " + shape_text(view.shape) +
                                       ", expected " + shape_text(expected)};
}

Shape expected_shape(const Binding& binding, const ModelSpec& spec) {
  switch (binding.kind) {
    case Binding::vector: return {binding.cols(spec)};
    case Binding::matrix: return {binding.rows(spec), binding.cols(spec)};
    case Binding::experts: return {spec.n_experts, binding.rows(spec), binding.cols(spec)};
  }
  return {};
}

std::shared_ptr<std::byte> map_memory(size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  madvise(memory, bytes, MADV_HUGEPAGE);  // advice only: without huge pages everything is right, a little slower
  return {static_cast<std::byte*>(memory), [bytes](std::byte* p) { munmap(p, bytes); }};
}

}  // namespace

uint64_t Tensor::slice_bytes() const { return is_vector ? cols * sizeof(float) : packed_bytes(type, rows, cols); }

uint64_t Tensor::slice_padding() const {
  if (is_vector) return 0;
  const DTypeInfo& info = dtype_info(type);
  return slice_bytes() - uint64_t{rows} * (cols / info.block_elems) * info.block_bytes;
}

uint64_t Tensor::row_bytes() const { return packed_strip_bytes(type, cols) / kStripRows; }

Result<Weights> Weights::bind(const ModelFile& file, const ModelSpec& spec, const Binding* bindings, size_t n_bindings) {
  Weights weights;
  weights.by_layer_.resize(std::max<size_t>(spec.n_layers, 1));
  for (auto& slots : weights.by_layer_) slots.fill(-1);
  const std::string where = file.path().filename().string() + ": ";

  for (const TensorView& view : file.tensors()) {
    const Binding* binding = nullptr;
    size_t layer = 0;
    for (size_t i = 0; i < n_bindings && binding == nullptr; ++i) {
      if (const auto found = match_layer(bindings[i].pattern, view.name)) {
        binding = &bindings[i];
        layer = *found;
      }
    }
    if (binding == nullptr || layer >= weights.by_layer_.size()) {
      return Error{ErrorCode::unsupported, where + view.name + ": a tensor that architecture '" + spec.architecture +
                                               "' does not use here; the model would not be computed as it was trained"};
    }
    const Shape expected = expected_shape(*binding, spec);
    if (view.shape != expected) return wrong_shape(file, view, expected);
    const DTypeInfo& info = dtype_info(view.type);
    if (!info.built) {
      return Error{ErrorCode::unsupported, where + view.name + ": type " + info.name + " has no kernels yet"};
    }
    Tensor tensor;
    tensor.id = static_cast<uint32_t>(weights.tensors_.size());
    tensor.name = view.name;
    tensor.role = binding->role;
    tensor.is_vector = binding->kind == Binding::vector;
    tensor.type = tensor.is_vector ? DType::F32 : view.type;
    tensor.rows = tensor.is_vector ? 1 : view.rows();
    tensor.cols = view.cols();
    tensor.n_slices = view.slices.size();
    tensor.source = &view;
    int32_t& place = weights.by_layer_[layer][static_cast<size_t>(binding->slot)];
    if (place >= 0) {  // "blk.00" beside "blk.0": names differ, the layer does not
      return Error{ErrorCode::corrupt_file,
                   where + view.name + ": the same tensor as " + weights.tensors_[static_cast<size_t>(place)].name};
    }
    place = static_cast<int32_t>(tensor.id);
    weights.tensors_.push_back(std::move(tensor));
  }

  for (size_t i = 0; i < n_bindings; ++i) {
    const Binding& binding = bindings[i];
    if (!binding.required(spec)) continue;
    const size_t layers = binding.slot < kFirstLayerSlot ? 1 : spec.n_layers;
    for (size_t layer = 0; layer < layers; ++layer) {
      if (weights.find(binding.slot, layer) != nullptr) continue;
      std::string name = binding.pattern;
      if (const size_t star = name.find('*'); star != std::string::npos) name.replace(star, 1, std::to_string(layer));
      return Error{ErrorCode::corrupt_file, where + name + ": missing; expected " + shape_text(expected_shape(binding, spec))};
    }
  }
  return weights;
}

Status Weights::pack(const ModelFile& file, unsigned threads, const std::function<bool(uint64_t, uint64_t)>& on_progress) {
  uint64_t total = 0;
  for (const Tensor& tensor : tensors_) {
    if (!tensor.is_vector) total += (tensor.bytes() + 63) / 64 * 64;
  }
  memory_ = map_memory(std::max<size_t>(total, kHugePage));
  if (!memory_) return Error{ErrorCode::out_of_memory, "could not reserve " + std::to_string(total) + " bytes for the weights"};

  tbb::task_arena arena(static_cast<int>(std::max(1u, threads)));
  uint64_t offset = 0;
  for (Tensor& tensor : tensors_) {
    const TensorView& view = *tensor.source;
    if (tensor.is_vector) {
      tensor.values.resize(tensor.cols);
      decode_row(view.type, view.slices[0], tensor.values.data(), tensor.cols);
      continue;
    }
    const size_t strip_bytes = packed_strip_bytes(tensor.type, tensor.cols);
    for (size_t slice = 0; slice < tensor.n_slices; ++slice) {
      PackedMatrix matrix;
      matrix.data = memory_.get() + offset + slice * tensor.slice_bytes();
      matrix.type = tensor.type;
      matrix.layout = packed_layout(tensor.type);
      matrix.rows = tensor.rows;
      matrix.cols = tensor.cols;
      matrix.strip_bytes = strip_bytes;
      matrix.tensor = tensor.id;
      matrix.slice = static_cast<uint32_t>(slice);
      tensor.slices.push_back(matrix);
    }
    const size_t strips = tensor.slices[0].strips();
    arena.execute([&] {
      tbb::parallel_for(size_t{0}, tensor.n_slices * strips, [&](size_t index) {
        const size_t slice = index / strips, strip = index % strips;
        pack_strips(tensor.type, view.slices[slice], tensor.rows, tensor.cols, strip, strip + 1,
                    memory_.get() + offset + slice * tensor.slice_bytes());
      });
    });
    offset += (tensor.bytes() + 63) / 64 * 64;
    file.release(view);
    tensor.source = nullptr;
    if (on_progress && !on_progress(offset, total)) return Error{ErrorCode::cancelled, "loading was cancelled"};
  }
  for (Tensor& tensor : tensors_) tensor.source = nullptr;
  return {};
}

const Tensor* Weights::find(Slot slot, size_t layer) const {
  const int32_t index = by_layer_[slot < kFirstLayerSlot ? 0 : layer][static_cast<size_t>(slot)];
  return index < 0 ? nullptr : &tensors_[static_cast<size_t>(index)];
}

const Tensor& Weights::get(Slot slot, size_t layer) const {
  const Tensor* tensor = find(slot, layer);
  SISKIN_CHECK(tensor != nullptr);
  return *tensor;
}

const Tensor& Weights::head() const { return tied_head() ? get(Slot::token_embd) : get(Slot::output); }

uint64_t Weights::bytes() const {
  uint64_t sum = 0;
  for (const Tensor& tensor : tensors_) sum += tensor.bytes();
  return sum;
}

}  // namespace siskin
