#include "engine/weights.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <span>

#include "formats/blocks/codec.h"
#include "formats/check.h"

namespace siskin {
namespace {

size_t half_rot(const ModelSpec& spec) { return spec.n_rot / 2; }
Presence maybe(const ModelSpec&, size_t) { return Presence::optional; }

// What files of any family may say of its frequencies: a session makes its table of rotations from them.
// clang-format off
constexpr Binding kRopeBindings[] = {
    {"rope_freqs.weight",         Slot::rope_freqs,         Binding::vector, nullptr, half_rot, Role::other, maybe},
    {"rope_factors_long.weight",  Slot::rope_factors_long,  Binding::vector, nullptr, half_rot, Role::other, maybe},
    {"rope_factors_short.weight", Slot::rope_factors_short, Binding::vector, nullptr, half_rot, Role::other, maybe},
};
// clang-format on

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

// A packed file keeps rows of matrices as strips, and vectors as they are: each expert's then lie in one.
Shape expected_shape(const Binding& binding, const ModelSpec& spec, bool packed) {
  switch (binding.kind) {
    case Binding::expert_vectors:
      if (packed) return {spec.n_experts * binding.cols(spec)};
      return {spec.n_experts, binding.cols(spec)};
    case Binding::vector:
      return {binding.cols(spec)};
    case Binding::matrix:
      return {binding.rows(spec), binding.cols(spec)};
    case Binding::experts:
      return {spec.n_experts, binding.rows(spec), binding.cols(spec)};
    case Binding::heads:
      return {spec.n_heads, binding.rows(spec), binding.cols(spec)};
  }
  return {};
}

std::string layer_name(const Binding& binding, size_t layer) {
  std::string name = binding.pattern;
  if (const size_t star = name.find('*'); star != std::string::npos) name.replace(star, 1, std::to_string(layer));
  return name;
}

}  // namespace

bool is_idle(const ModelSpec& spec, std::string_view name) {
  for (size_t layer = spec.n_layers; layer < spec.n_layers + spec.n_nextn_layers; ++layer) {
    if (name.starts_with("blk." + std::to_string(layer) + ".")) return true;
  }
  return false;
}

uint64_t Tensor::slice_bytes() const { return is_vector ? cols * sizeof(float) : packed_bytes(type, rows, cols); }

uint64_t Tensor::slice_padding() const {
  if (is_vector) return 0;
  return slice_bytes() - uint64_t{rows} * siskin::row_bytes(type, cols);
}

uint64_t Tensor::row_bytes() const { return packed_strip_bytes(type, cols) / kStripRows; }

std::vector<float> Tensor::file_values() const {
  std::vector<float> all(n_slices * cols);
  std::vector<std::byte> room;
  decode_row(source->type, rows_of(*source, 0, 0, source->rows(), room), all.data(), all.size());
  for (float& value : all) value += add_one ? 1.0f : 0.0f;
  return all;
}

Result<Weights> Weights::bind(const ModelFile& file, const ModelSpec& spec, const Binding* bindings, size_t n_bindings) {
  Weights weights;
  weights.by_layer_.resize(std::max<size_t>(spec.n_layers, 1));
  for (auto& slots : weights.by_layer_) slots.fill(-1);
  const std::string where = file.path().filename().string() + ": ";

  for (const TensorView& view : file.tensors()) {
    const Binding* binding = nullptr;
    size_t layer = 0;
    for (const std::span<const Binding> rows : {std::span(bindings, n_bindings), std::span<const Binding>(kRopeBindings)}) {
      for (const Binding& row : rows) {
        const auto found = binding == nullptr ? match_layer(row.pattern, view.name) : std::nullopt;
        if (!found) continue;
        binding = &row;
        layer = *found;
      }
    }
    if (is_idle(spec, view.name)) continue;
    if (binding == nullptr || layer >= weights.by_layer_.size() || binding->presence(spec, layer) == Presence::absent) {
      return Error{ErrorCode::unsupported, where + view.name + ": a tensor that architecture '" + spec.architecture +
                                               "' does not use here; the model would not be computed as it was trained"};
    }
    const Shape expected = expected_shape(*binding, spec, file.is_packed());
    if (view.shape != expected) return wrong_shape(file, view, expected);
    const DTypeInfo& info = dtype_info(view.type);
    if (!info.built) {
      return Error{ErrorCode::unsupported, where + view.name + ": type " + info.name + " has no kernels yet"};
    }
    Tensor tensor;
    tensor.id = static_cast<uint32_t>(weights.tensors_.size());
    tensor.layer = layer;
    tensor.name = view.name;
    tensor.role = binding->role;
    tensor.is_vector = binding->kind == Binding::vector || binding->kind == Binding::expert_vectors;
    tensor.add_one = binding->centred && file.is_hugging_face();
    tensor.type = tensor.is_vector ? DType::F32 : view.type;
    tensor.rows = tensor.is_vector ? 1 : view.rows();
    tensor.cols = tensor.is_vector ? binding->cols(spec) : view.cols();
    tensor.n_slices = binding->kind == Binding::expert_vectors ? spec.n_experts : view.slices.size();
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
    const size_t layers = binding.slot < kFirstLayerSlot ? 1 : spec.n_layers;
    for (size_t layer = 0; layer < layers; ++layer) {
      if (binding.presence(spec, layer) != Presence::required || weights.find(binding.slot, layer) != nullptr) continue;
      return Error{ErrorCode::corrupt_file, where + layer_name(binding, layer) + ": missing; expected " +
                                                shape_text(expected_shape(binding, spec, file.is_packed()))};
    }
  }
  for (size_t layer = 0; layer < spec.n_layers; ++layer) {
    const Slot gate = spec.is_moe(layer) ? Slot::ffn_gate_exps : Slot::ffn_gate;
    if (weights.find(gate, layer) != nullptr) continue;
    return Error{ErrorCode::corrupt_file, where + "blk." + std::to_string(layer) + ": " + spec.architecture +
                                              (spec.is_moe(layer) ? " has no experts here" : " has no dense layers here")};
  }
  return weights;
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

uint64_t Weights::expert_bytes() const {
  uint64_t sum = 0;
  for (const Tensor& tensor : tensors_) sum += may_stay_on_disk(tensor) ? tensor.bytes() : 0;
  return sum;
}

bool Weights::may_stay_on_disk(const Tensor& tensor) const {
  for (size_t layer = 0; layer < by_layer_.size(); ++layer) {
    for (const Slot slot : {Slot::ffn_gate_exps, Slot::ffn_up_exps, Slot::ffn_down_exps}) {
      if (find(slot, layer) == &tensor) return true;
    }
  }
  return false;
}

}  // namespace siskin
