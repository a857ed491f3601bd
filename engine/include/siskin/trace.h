// Routing traces: recorded from a session, kept in files, and judged: who is used how much, who with whom, what a cache of experts would
// have read, how two traces differ.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <siskin/export.h>
#include <siskin/model.h>
#include <siskin/result.h>
#include <siskin/routing_trace.h>

namespace siskin {

// An empty trace of this model, for Session::trace_into. Errors: unsupported for a model without experts.
SISKIN_API Result<RoutingTrace> new_trace(const Model& model);
// Errors: not_found, io, corrupt_file, unsupported (another version).
SISKIN_API Result<RoutingTrace> load_trace(const std::filesystem::path& path);
// The file is old, new or absent, never half. Weights are kept as F16.
SISKIN_API Status save_trace(const std::filesystem::path& path, const RoutingTrace& trace);

struct ExpertUse {
  uint64_t tokens = 0;     // that used it
  double share = 0;        // of the layer's uses; 1 / n_experts each where all are used alike
  double mean_weight = 0;  // when used
};

struct ExpertPair {
  size_t first = 0, second = 0;
  uint64_t tokens = 0;  // that used both
  double lift = 0;      // over what independent choices would give: 1 is chance
};

struct LayerUse {
  size_t layer = 0;
  uint64_t uses = 0;
  double experts_per_token = 0;
  double entropy_bits = 0;      // of the shares; log2(n_experts) where all are used alike
  double balance = 0;           // 2^entropy / n_experts: the share of the experts that do the work, 0 to 1
  double largest_share = 0;     // times n_experts: 1 where all are used alike
  size_t unused = 0;            // experts
  double zipf = 0;              // z of the fit share ~ rank^-z, over experts that are used
  double kept_from_last = 0;    // share of a token's experts that the token before it used too
  std::vector<ExpertUse> experts;  // [n_experts]
  std::vector<ExpertPair> pairs;   // used together most often, at most kTopPairs
};

struct TraceStats {
  static constexpr size_t kTopPairs = 8;
  uint64_t tokens = 0;
  std::vector<LayerUse> layers;  // mixture layers alone
};
SISKIN_API TraceStats trace_stats(const RoutingTrace& trace);

// One HTML page that needs nothing else: a heat map of shares, layer by layer, and the numbers.
SISKIN_API std::string trace_page(const RoutingTrace& trace, const TraceStats& stats);

// A cache of `kept` experts of the whole model that starts empty and meets the trace one token at a time, as decoding does.
struct CacheReplay {
  size_t kept = 0;
  std::string policy;        // "lru", "lrfu" (what siskin uses), "best" (knows the future: no policy does better)
  uint64_t reads = 0;        // experts, each once per token and layer
  uint64_t misses = 0;
  uint64_t memory_bytes = 0; // of all reads
  uint64_t disk_bytes = 0;   // of the misses

  double hit_rate() const { return reads == 0 ? 0 : 1 - static_cast<double>(misses) / static_cast<double>(reads); }
};
// One of each policy. REQUIRES: kept > 0.
SISKIN_API std::vector<CacheReplay> replay_trace(const RoutingTrace& trace, size_t kept);

struct LayerDifference {
  size_t layer = 0;
  double divergence_bits = 0;  // Jensen-Shannon, of the experts' shares: 0 the same, 1 nothing in common
  double same_experts = 0;     // of the tokens' experts, those that the other trace chose too
  double same_first = 0;       // share of tokens whose first expert is the same
};
struct TraceDifference {
  bool same_tokens = false;  // the traces are of the same text: the comparison is token by token; otherwise same_* are 0
  std::vector<LayerDifference> layers;
};
// Errors: invalid_argument where the models have other layers or experts.
SISKIN_API Result<TraceDifference> compare_traces(const RoutingTrace& a, const RoutingTrace& b);

}  // namespace siskin
