// trace_stats: who is used how much, and with whom.
#include <siskin/trace.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace siskin {
namespace {

// z of the least-squares line through (log rank, log share) of the experts that are used.
double zipf_of(const std::vector<ExpertUse>& experts) {
  std::vector<double> shares;
  for (const ExpertUse& expert : experts) {
    if (expert.tokens > 0) shares.push_back(expert.share);
  }
  if (shares.size() < 2) return 0;
  std::sort(shares.begin(), shares.end(), std::greater<>());
  double sx = 0, sy = 0, sxx = 0, sxy = 0;
  const double n = static_cast<double>(shares.size());
  for (size_t rank = 0; rank < shares.size(); ++rank) {
    const double x = std::log(static_cast<double>(rank + 1)), y = std::log(shares[rank]);
    sx += x, sy += y, sxx += x * x, sxy += x * y;
  }
  return -(n * sxy - sx * sy) / (n * sxx - sx * sx);
}

// The pairs that most tokens used, most first; ties by the lower numbers.
std::vector<ExpertPair> top_pairs(const std::vector<uint64_t>& together, const std::vector<ExpertUse>& experts, uint64_t tokens) {
  const size_t n = experts.size();
  std::vector<ExpertPair> pairs;
  for (size_t a = 0; a < n; ++a) {
    for (size_t b = a + 1; b < n; ++b) {
      const uint64_t both = together[a * n + b];
      if (both == 0) continue;
      const double chance = static_cast<double>(experts[a].tokens) * static_cast<double>(experts[b].tokens) / static_cast<double>(tokens);
      pairs.push_back({a, b, both, static_cast<double>(both) / chance});
    }
  }
  const size_t kept = std::min(TraceStats::kTopPairs, pairs.size());
  std::partial_sort(pairs.begin(), pairs.begin() + static_cast<std::ptrdiff_t>(kept), pairs.end(),
                    [](const ExpertPair& x, const ExpertPair& y) {
                      if (x.tokens != y.tokens) return x.tokens > y.tokens;
                      return x.first != y.first ? x.first < y.first : x.second < y.second;
                    });
  pairs.resize(kept);
  return pairs;
}

LayerUse layer_use(const RoutingTrace& trace, size_t layer) {
  const size_t n = trace.n_experts;
  // Pairs are counted in a square; beyond this it would be larger than what it says.
  constexpr size_t kMostPaired = 1024;
  LayerUse use;
  use.layer = layer;
  use.experts.resize(n);
  std::vector<double> weight(n);
  std::vector<uint64_t> together(n <= kMostPaired ? n * n : 0);
  uint64_t kept = 0, compared = 0;
  for (size_t token = 0; token < trace.n_tokens(); ++token) {
    const auto experts = trace.experts_of(token, layer);
    const auto weights = trace.weights_of(token, layer);
    use.uses += experts.size();
    for (size_t i = 0; i < experts.size(); ++i) {
      use.experts[experts[i]].tokens += 1;
      weight[experts[i]] += weights[i];
      for (size_t j = i + 1; j < experts.size() && !together.empty(); ++j) {
        ++together[std::min(experts[i], experts[j]) * n + std::max(experts[i], experts[j])];
      }
    }
    if (token == 0 || trace.sequences[token] != trace.sequences[token - 1]) continue;
    const auto before = trace.experts_of(token - 1, layer);
    compared += experts.size();
    for (const uint16_t expert : experts) kept += std::find(before.begin(), before.end(), expert) != before.end();
  }
  for (size_t e = 0; e < n; ++e) {
    ExpertUse& expert = use.experts[e];
    if (expert.tokens == 0) {
      ++use.unused;
      continue;
    }
    expert.share = static_cast<double>(expert.tokens) / static_cast<double>(use.uses);
    expert.mean_weight = weight[e] / static_cast<double>(expert.tokens);
    use.entropy_bits -= expert.share * std::log2(expert.share);
    use.largest_share = std::max(use.largest_share, expert.share * static_cast<double>(n));
  }
  use.experts_per_token = static_cast<double>(use.uses) / static_cast<double>(trace.n_tokens());
  use.balance = std::exp2(use.entropy_bits) / static_cast<double>(n);
  use.zipf = zipf_of(use.experts);
  use.kept_from_last = compared == 0 ? 0 : static_cast<double>(kept) / static_cast<double>(compared);
  if (!together.empty()) use.pairs = top_pairs(together, use.experts, trace.n_tokens());
  return use;
}

}  // namespace

TraceStats trace_stats(const RoutingTrace& trace) {
  TraceStats stats;
  stats.tokens = trace.n_tokens();
  if (stats.tokens == 0) return stats;
  for (size_t layer = 0; layer < trace.n_layers; ++layer) {
    LayerUse use = layer_use(trace, layer);
    if (use.uses > 0) stats.layers.push_back(std::move(use));
  }
  return stats;
}

}  // namespace siskin
