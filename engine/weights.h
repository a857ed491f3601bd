// Weights: the tensors of one model, bound to the places where forward() uses them, and packed for the kernels.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <siskin/cost.h>
#include <siskin/result.h>

#include "engine/spec.h"
#include "formats/model_file.h"
#include "formats/packed/layout.h"

namespace siskin {

// Where forward() looks for a tensor. Slots after kFirstLayerSlot exist once per layer.
enum class Slot : uint8_t {
  token_embd, output_norm, output_norm_bias, output, output_bias, rope_freqs, rope_factors_long, rope_factors_short,
  attn_norm, attn_norm_bias, attn_q, attn_k, attn_v, attn_q_bias, attn_k_bias, attn_v_bias, attn_q_norm, attn_k_norm,
  attn_output, attn_post_norm,
  attn_q_a, attn_q_a_norm, attn_q_b, attn_kv_a, attn_kv_a_norm, attn_k_b, attn_v_b, attn_sinks, attn_output_bias,
  ffn_norm, ffn_norm_bias, ffn_gate, ffn_up, ffn_down, ffn_post_norm,
  ffn_gate_inp, ffn_gate_inp_bias, exp_probs_b, ffn_gate_exps, ffn_up_exps, ffn_down_exps,
  ffn_gate_exps_bias, ffn_up_exps_bias, ffn_down_exps_bias,
  ffn_gate_inp_shexp, ffn_gate_shexp, ffn_up_shexp, ffn_down_shexp,
  count,
};
inline constexpr size_t kSlots = static_cast<size_t>(Slot::count);
inline constexpr Slot kFirstLayerSlot = Slot::attn_norm;

// Whether a layer has a tensor.
enum class Presence : uint8_t { required, optional, absent };

// A family's table of bindings: one row per tensor that its files hold.
struct Binding {
  enum Kind : uint8_t { vector, matrix, experts, expert_vectors, heads };
  const char* pattern;  // "blk.*.attn_q.weight": * is the layer
  Slot slot;
  Kind kind;
  size_t (*rows)(const ModelSpec&);  // null for vectors
  size_t (*cols)(const ModelSpec&);
  Role role;
  Presence (*presence)(const ModelSpec&, size_t layer);
  bool centred = false;  // a norm that Hugging Face folders hold as w for 1 + w; GGUF holds 1 + w
};

// A bound tensor. Matrices are packed; vectors lie in `values`.
struct Tensor {
  uint32_t id = 0;
  size_t layer = 0;
  std::string name;
  Role role{};
  bool is_vector = false;
  bool add_one = false;               // to the file's values
  DType type{};
  size_t rows = 0, cols = 0;          // of one slice; a vector is [1, cols]
  size_t n_slices = 1;                // experts, or heads
  const TensorView* source = nullptr; // until load()
  std::vector<PackedMatrix> slices;
  std::vector<float> values;          // [n_slices, cols]
  bool on_disk = false;               // load() left it in the packed file, at file_offset: its slices have no data
  size_t file_offset = 0;

  uint64_t params() const { return uint64_t{rows} * cols * n_slices; }
  uint64_t slice_params() const { return uint64_t{rows} * cols; }
  uint64_t slice_bytes() const;   // as kept in memory: packed, padding included
  uint64_t slice_padding() const; // of slice_bytes
  uint64_t bytes() const { return slice_bytes() * n_slices; }
  uint64_t row_bytes() const;     // of one packed row, for an embedding lookup
  std::vector<float> file_values() const;  // of a vector. REQUIRES: source
};

// Whether a tensor is of the layers behind the last, for drafting several tokens at once: nothing here runs them.
bool is_idle(const ModelSpec& spec, std::string_view name);

struct WeightLoading {
  unsigned threads = 1;
  bool copy_packed = false;
  bool leave_experts = false;  // in the packed file; nothing stays mapped. REQUIRES: a packed file
  std::function<bool(uint64_t done, uint64_t total)> on_progress;  // bytes, from the calling thread; false cancels
};

class Weights {
 public:
  // Matches the file's tensors with the table. A missing required tensor, a wrong shape, a type without kernels or a tensor that no
  // row names is an error that names it.
  static Result<Weights> bind(const ModelFile& file, const ModelSpec& spec, const Binding* bindings, size_t n_bindings);

  // Packs every matrix in parallel and gives the file's pages back as it goes. A packed file's matrices stay where the file is mapped,
  // are copied too, or are left (Tensor::on_disk). REQUIRES: the file of bind().
  Status load(ModelFile file, const WeightLoading& how);

  const std::vector<Tensor>& tensors() const { return tensors_; }
  const Tensor* find(Slot slot, size_t layer = 0) const;
  const Tensor& get(Slot slot, size_t layer = 0) const;  // REQUIRES: bound
  const Tensor& head() const;                            // `output`, or the tied embedding
  bool tied_head() const { return find(Slot::output) == nullptr; }
  uint64_t bytes() const;
  uint64_t expert_bytes() const;  // of bytes(), what may be left on disk
  // Of bytes(), what lies in the page cache, which the system counts as free.
  uint64_t mapped_bytes() const { return mapped_ ? bytes() : 0; }

 private:
  std::vector<Tensor> tensors_;
  std::vector<std::array<int32_t, kSlots>> by_layer_;  // index into tensors_, -1 absent; globals in layer 0
  bool may_stay_on_disk(const Tensor& tensor) const;

  std::shared_ptr<std::byte> memory_;   // of packed matrices,
  std::optional<ModelFile> mapped_;     // or the packed file that they are in
};

}  // namespace siskin
