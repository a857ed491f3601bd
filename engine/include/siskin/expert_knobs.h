// ExpertKnobs: how a request uses a mixture's experts, where it is not to be as trained; and overlays, small files that keep such
// settings for a model that stays as it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <siskin/export.h>
#include <siskin/model.h>
#include <siskin/result.h>
#include <siskin/routing_trace.h>

namespace siskin {

// Every member that is empty takes the session's, then the overlay's, then the model's own.
struct ExpertKnobs {
  std::vector<uint32_t> top_k;  // experts per token: one number for all layers, or one per layer (a dense layer's is not looked at)
  std::optional<float> min_probability;     // a chosen expert, but for the first, that weighs less of the chosen ones' sum is left out
  std::vector<std::vector<uint32_t>> drop;  // [n_layers] experts that are never chosen; of layers without experts: nothing

  bool empty() const { return top_k.empty() && !min_probability && drop.empty(); }
};

// Errors: invalid_argument: a model without experts, a top-k outside 1 to n_experts, lists of another length than the layers', a
// probability outside 0 to 1, an expert that the model does not have, a layer of which nothing is left.
SISKIN_API Status check_knobs(const ModelInfo& info, const ExpertKnobs& knobs);

// Drops the `n` experts of each layer that the trace used least (ties: the higher number goes). Errors: invalid_argument where nothing
// would be left.
SISKIN_API Status drop_least_used(const RoutingTrace& trace, size_t n, ExpertKnobs& knobs);

struct Overlay {
  std::string model;      // its name, for people
  uint64_t identity = 0;  // ModelInfo::identity, which it is bound to
  ExpertKnobs experts;
};
// Errors: not_found, io, corrupt_file, unsupported (another version, an unknown setting).
SISKIN_API Result<Overlay> load_overlay(const std::filesystem::path& path);
// The file is old, new or absent, never half.
SISKIN_API Status save_overlay(const std::filesystem::path& path, const Overlay& overlay);
// The experts to drop in a JSON file {"drop": [[0, 3], [], ...]}, a list per layer; an overlay is such a file too.
SISKIN_API Result<ExpertKnobs> load_expert_mask(const std::filesystem::path& path);

}  // namespace siskin
