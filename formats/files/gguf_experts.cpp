#include "formats/files/gguf_experts.h"

#include <charconv>
#include <map>
#include <optional>
#include <string_view>

#include "formats/files/error_text.h"

namespace siskin {
namespace {

struct SingleExpert {
  std::string gathered_name;
  size_t number = 0;
};

// "blk.3.ffn_up.7.weight" is expert 7 of "blk.3.ffn_up_exps.weight"; nullopt for every other name.
std::optional<SingleExpert> single_expert(std::string_view name) {
  constexpr std::string_view kEnd = ".weight";
  if (!name.starts_with("blk.") || !name.ends_with(kEnd)) return std::nullopt;
  name.remove_suffix(kEnd.size());
  for (const std::string_view kind : {".ffn_gate.", ".ffn_down.", ".ffn_up."}) {
    const size_t at = name.find(kind);
    if (at == std::string_view::npos) continue;
    const std::string_view digits = name.substr(at + kind.size());
    SingleExpert expert;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), expert.number);
    if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    expert.gathered_name = std::string(name.substr(0, at + kind.size() - 1)) + "_exps.weight";
    return expert;
  }
  return std::nullopt;
}

using Experts = std::map<size_t, TensorView>;

Result<TensorView> gather(const std::string& name, Experts& experts, const std::string& file) {
  const size_t last = experts.rbegin()->first;
  if (last != experts.size() - 1) {
    return corrupt_file(file,
                        name + ": " + std::to_string(experts.size()) + " experts, but one is numbered " + std::to_string(last));
  }
  TensorView gathered = std::move(experts.begin()->second);
  for (auto& [number, expert] : experts) {
    if (number == 0) continue;
    if (expert.type != gathered.type || expert.shape != gathered.shape) {
      return corrupt_file(file, in_quotes(expert.name) + ": " + dtype_name(expert.type) + " " + shape_text(expert.shape) +
                                    ", expected " + dtype_name(gathered.type) + " " + shape_text(gathered.shape) +
                                    " as expert 0");
    }
    gathered.slices.push_back(expert.slices[0]);
  }
  if (gathered.shape.size() != 2) return corrupt_file(file, name + ": experts that are not matrices");
  gathered.name = name;
  gathered.shape.insert(gathered.shape.begin(), experts.size());
  return gathered;
}

}  // namespace

Result<std::vector<TensorView>> gather_single_experts(std::vector<TensorView> tensors, const std::string& file) {
  std::map<std::string, Experts> found;
  std::vector<TensorView> out;
  out.reserve(tensors.size());
  for (TensorView& tensor : tensors) {
    auto expert = single_expert(tensor.name);
    if (!expert) {
      out.push_back(std::move(tensor));
    } else if (!found[expert->gathered_name].emplace(expert->number, tensor).second) {
      return corrupt_file(file, in_quotes(tensor.name) + ": this expert appears under another name too");
    }
  }
  for (const TensorView& tensor : out) {
    if (found.contains(tensor.name)) return corrupt_file(file, tensor.name + ": both whole and as single experts");
  }
  for (auto& [name, experts] : found) {
    auto gathered = gather(name, experts, file);
    if (!gathered) return std::move(gathered).error();
    out.push_back(*std::move(gathered));
  }
  return out;
}

}  // namespace siskin
