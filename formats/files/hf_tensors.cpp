#include "formats/files/hf_tensors.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <tuple>
#include <utility>

#include "formats/files/error_text.h"
#include "formats/files/fused_tensors.h"
#include "formats/files/hf_scales.h"
#include "formats/try.h"

namespace siskin {
namespace {

constexpr HfRename kBlockTensors[] = {
    {"input_layernorm.weight", "attn_norm.weight"},    {"self_attn.q_proj.weight", "attn_q.weight"},
    {"self_attn.k_proj.weight", "attn_k.weight"},      {"self_attn.v_proj.weight", "attn_v.weight"},
    {"self_attn.o_proj.weight", "attn_output.weight"}, {"post_attention_layernorm.weight", "ffn_norm.weight"},
    {"mlp.gate_proj.weight", "ffn_gate.weight"},       {"mlp.up_proj.weight", "ffn_up.weight"},
    {"mlp.down_proj.weight", "ffn_down.weight"},       {"block_sparse_moe.gate.weight", "ffn_gate_inp.weight"},
    {"mlp.gate.weight", "ffn_gate_inp.weight"},        {"mlp.experts.gate_up_proj", "ffn_gate_up_exps.weight"},
    {"mlp.experts.down_proj", "ffn_down_exps.weight"},
};

constexpr HfRename kExpertTensors[] = {
    {"w1.weight", "ffn_gate_exps.weight"},        {"w2.weight", "ffn_down_exps.weight"},
    {"w3.weight", "ffn_up_exps.weight"},          {"gate_proj.weight", "ffn_gate_exps.weight"},
    {"down_proj.weight", "ffn_down_exps.weight"}, {"up_proj.weight", "ffn_up_exps.weight"},
};

// Buffers that some checkpoints carry and nothing reads; llama.cpp's converter drops the same ones.
constexpr std::string_view kIdle[] = {".attention.masked_bias", ".attention.bias", ".rotary_emb.inv_freq"};

// Where a tensor stands in the result; also decides what "the same tensor twice" means.
using Place = std::tuple<uint64_t, std::string>;  // block, name; embeddings before block 0, the rest after the last
constexpr uint64_t kAfterBlocks = UINT64_MAX;

std::string_view without_prefix(std::string_view name, std::string_view prefix) {
  return name.starts_with(prefix) ? name.substr(prefix.size()) : name;
}

// Takes "12." from the front of `text`; nullopt if it does not begin with a number and a dot.
std::optional<uint64_t> take_number(std::string_view& text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data() + text.size() || *end != '.') return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()) + 1);
  return value;
}

class Gatherer {
 public:
  Gatherer(const HfConfig& config, const std::string& folder) : folder_(folder) {
    const std::string architecture = *config.metadata.string_or("general.architecture", "");
    n_blocks_ = *config.metadata.u64_or(architecture + ".block_count", 0);
    n_experts_ = *config.metadata.u64_or(architecture + ".expert_count", 0);
    n_idle_ = config.layers.n_idle;
    if (config.family != nullptr) {
      own_ = config.family->tensors;
      names_ = config.family->names;
    }
    architecture_ = architecture;
  }

  Status add(const HfTensor& tensor) {
    const std::string_view name = without_prefix(tensor.entry->name, names_.prefix);
    for (const std::string_view idle : kIdle) {
      if (name.ends_with(idle)) return {};
    }
    if (name.starts_with("mtp_")) return leave_out(tensor);  // ERNIE's blocks for drafting several tokens at once
    if (name == names_.embedding) return add_whole(tensor, {0, "token_embd.weight"});
    if (name == names_.norm) return add_whole(tensor, {kAfterBlocks, "output_norm.weight"});
    if (name == names_.norm_bias) return add_whole(tensor, {kAfterBlocks, "output_norm.bias"});
    if (name == "lm_head.bias") return add_whole(tensor, {kAfterBlocks, "output.bias"});
    if (name == names_.head) return add_whole(tensor, {kAfterBlocks, "output.weight"});
    if (name.starts_with(names_.layers)) return add_of_block(tensor, without_prefix(name, names_.layers));
    return no_place(tensor);
  }

  // The head of a tied model is its embedding: a checkpoint holds either name, or both for the same matrix.
  Status settle_head(bool tied) {
    const Place embedding(0, "token_embd.weight"), head(kAfterBlocks, "output.weight");
    if (!tied && !found_.contains(head)) {
      return corrupt_file(folder_, "no tensor " + in_quotes(names_.head) + ", and config.json does not tie the embeddings");
    }
    if (!tied) return {};
    auto stray = found_.extract(head);
    if (!stray.empty() && !found_.contains(embedding)) {
      stray.key() = embedding;
      stray.mapped().name = "token_embd.weight";
      found_.insert(std::move(stray));
    }
    return {};
  }

  Result<std::vector<TensorView>> take() {
    for (auto& [place, experts] : experts_) SISKIN_TRY_STATUS(join_experts(place, experts));
    std::vector<TensorView> views;
    views.reserve(found_.size());
    for (auto& [place, view] : found_) views.push_back(std::move(view));
    return views;
  }

  LeftOut left_out() const { return left_out_; }

 private:
  using Experts = std::map<uint64_t, HfTensor>;  // by number: a file's count is never trusted with an allocation

  Status leave_out(const HfTensor& tensor) {
    for (const HfTensor* part : {&tensor, tensor.scales}) {
      if (part == nullptr) continue;
      ++left_out_.tensors;
      left_out_.bytes += part->entry->end - part->entry->begin;
    }
    return {};
  }

  Status add_of_block(const HfTensor& tensor, std::string_view rest) {
    const auto block = take_number(rest);
    if (!block) return no_place(tensor);
    if (*block >= n_blocks_ && *block < n_blocks_ + n_idle_) return leave_out(tensor);
    if (*block >= n_blocks_) {
      return corrupt_file(*tensor.file,
                          in_quotes(tensor.entry->name) + ": config.json has " + std::to_string(n_blocks_) + " layers");
    }
    const std::string prefix = "blk." + std::to_string(*block) + ".";
    for (const HfRename& rename : own_) {
      if (rest == rename.hf) return add_whole(tensor, {*block + 1, prefix + rename.gguf}, rename.transposed);
    }
    for (const HfRename& rename : kBlockTensors) {
      if (rest == rename.hf) return add_whole(tensor, {*block + 1, prefix + rename.gguf});
    }
    for (const std::string_view experts : {"block_sparse_moe.experts.", "mlp.experts."}) {
      if (rest.starts_with(experts)) return add_expert(tensor, *block + 1, prefix, rest.substr(experts.size()));
    }
    return no_place(tensor);
  }

  Status add_expert(const HfTensor& tensor, uint64_t block, const std::string& prefix, std::string_view rest) {
    const auto expert = take_number(rest);
    if (!expert) return no_place(tensor);
    if (*expert >= n_experts_) {
      return corrupt_file(*tensor.file,
                          in_quotes(tensor.entry->name) + ": config.json has " + std::to_string(n_experts_) + " experts");
    }
    for (const HfRename& rename : kExpertTensors) {
      if (rest != rename.hf) continue;
      if (!experts_[{block, prefix + rename.gguf}].emplace(*expert, tensor).second) return twice(tensor);
      return {};
    }
    return no_place(tensor);
  }

  // A tensor as it is: [experts, rows, cols] by expert; [1, n] is a vector.
  Status add_whole(const HfTensor& tensor, Place place, bool transposed = false) {
    SISKIN_TRY(TensorView view, view_of(tensor));
    view.name = std::get<1>(place);
    view.slice_bytes = tensor.entry->end - tensor.entry->begin;
    if (view.shape.size() == 2 && view.shape[0] == 1) view.shape.erase(view.shape.begin());
    // Matrices of all experts under each other.
    if (view.name.ends_with("_exps.weight") && view.shape.size() == 2 && n_experts_ > 0 && view.shape[0] % n_experts_ == 0) {
      view.shape = {n_experts_, view.shape[0] / n_experts_, view.shape[1]};
    }
    if (transposed && (view.shape.size() < 2 || dtype_info(view.type).block_elems != 1)) {
      return unsupported_file(*tensor.file, in_quotes(tensor.entry->name) + ": " + tensor.entry->dtype + " " +
                                                shape_text(view.shape) + ", expected plain matrices");
    }
    if (transposed) {
      std::swap(view.shape[view.shape.size() - 2], view.shape.back());
      view.transposed = view.type;
    }
    if (view.shape.size() != 3) {
      push_slice(tensor, view);
      return insert(tensor, std::move(place), std::move(view));
    }
    if (view.shape[0] != n_experts_) {
      return corrupt_file(*tensor.file, in_quotes(tensor.entry->name) + ": shape " + shape_text(view.shape) + ", expected [" +
                                            std::to_string(n_experts_) + ", rows, cols]");
    }
    view.slice_bytes /= n_experts_;
    for (size_t i = 0; i < n_experts_; ++i) view.slices.push_back(tensor.data + i * view.slice_bytes);
    if (tensor.scales != nullptr) {
      const size_t bytes = (tensor.scales->entry->end - tensor.scales->entry->begin) / n_experts_;
      for (size_t i = 0; i < n_experts_; ++i) view.scales.slices.push_back(tensor.scales->data + i * bytes);
    }
    return insert(tensor, std::move(place), std::move(view));
  }

  Status join_experts(const Place& place, const Experts& experts) {
    const std::string& name = std::get<1>(place);
    const HfTensor& first = experts.begin()->second;
    SISKIN_TRY(TensorView view, view_of(first));
    if (experts.size() != n_experts_) {
      return corrupt_file(folder_,
                          name + ": " + std::to_string(experts.size()) + " experts, expected " + std::to_string(n_experts_));
    }
    for (const auto& [number, expert] : experts) {
      if (expert.entry->type != first.entry->type || expert.entry->shape != first.entry->shape) {
        return corrupt_file(*expert.file, in_quotes(expert.entry->name) + ": " + expert.entry->dtype + " " +
                                              shape_text(expert.entry->shape) + ", expected " + first.entry->dtype + " " +
                                              shape_text(first.entry->shape) + " as expert 0");
      }
      if (tensor_text(expert.scales) != tensor_text(first.scales)) {
        return corrupt_file(*expert.file, in_quotes(expert.entry->name) + ": scales " + tensor_text(expert.scales) +
                                              ", expected " + tensor_text(first.scales) + " as of expert 0");
      }
      push_slice(expert, view);
    }
    view.name = name;
    view.slice_bytes = first.entry->end - first.entry->begin;
    view.shape.insert(view.shape.begin(), experts.size());
    return insert(first, place, std::move(view));
  }

  static void push_slice(const HfTensor& tensor, TensorView& view) {
    view.slices.push_back(tensor.data);
    if (tensor.scales != nullptr) view.scales.slices.push_back(tensor.scales->data);
  }

  static std::string tensor_text(const HfTensor* tensor) {
    return tensor == nullptr ? "absent" : tensor->entry->dtype + " " + shape_text(tensor->entry->shape);
  }

  Result<TensorView> view_of(const HfTensor& tensor) const {
    const SafetensorsEntry& entry = *tensor.entry;
    if (tensor.scales != nullptr) return quantized_view(tensor.entry, *tensor.file, tensor.scales->entry);
    if (!entry.type || (entry.type != DType::F32 && entry.type != DType::F16 && entry.type != DType::BF16)) {
      return unsupported_file(*tensor.file,
                              in_quotes(entry.name) + ": dtype " + entry.dtype + " is not supported; F32, F16 and BF16 are");
    }
    if (entry.shape.empty() || std::find(entry.shape.begin(), entry.shape.end(), size_t{0}) != entry.shape.end()) {
      return corrupt_file(*tensor.file, in_quotes(entry.name) + ": shape " + shape_text(entry.shape) + " holds no weights");
    }
    TensorView view;
    view.type = *entry.type;
    view.shape = entry.shape;
    return view;
  }

  Status insert(const HfTensor& tensor, Place place, TensorView view) {
    if (!found_.emplace(std::move(place), std::move(view)).second) return twice(tensor);
    return {};
  }

  Error twice(const HfTensor& tensor) const {
    return corrupt_file(*tensor.file,
                        in_quotes(tensor.entry->name) + ": the checkpoint holds this tensor under another name too");
  }

  Error no_place(const HfTensor& tensor) const {
    return unsupported_file(*tensor.file,
                            "tensor " + in_quotes(tensor.entry->name) + " has no place in a " + architecture_ + " model");
  }

  const std::string& folder_;
  std::string architecture_;
  HfNames names_;
  std::span<const HfRename> own_;  // the architecture's own names, before the common ones
  uint64_t n_blocks_ = 0;
  uint64_t n_idle_ = 0;
  uint64_t n_experts_ = 0;
  LeftOut left_out_;
  std::map<Place, TensorView> found_;
  std::map<Place, Experts> experts_;
};

}  // namespace

Result<HfContents> gguf_tensors_from_hf(std::span<const HfTensor> tensors, const HfConfig& config, const std::string& folder) {
  Gatherer gatherer(config, folder);
  SISKIN_TRY(const QuantizedTensors quantized, pair_scales(tensors, config.quantization));
  for (const HfTensor& tensor : quantized.tensors) SISKIN_TRY_STATUS(gatherer.add(tensor));
  SISKIN_TRY_STATUS(gatherer.settle_head(config.tied_embeddings));
  SISKIN_TRY(std::vector<TensorView> views, gatherer.take());
  HfContents contents;
  contents.left_out = gatherer.left_out();
  SISKIN_TRY(contents.tensors, split_fused(std::move(views), config.metadata, folder));
  return contents;
}

}  // namespace siskin
