// compare_traces: how two models, or two settings of one, route the same text, or two texts.
#include <siskin/trace.h>

#include <algorithm>
#include <cmath>

namespace siskin {
namespace {

std::vector<double> shares(const RoutingTrace& trace, size_t layer) {
  std::vector<double> shares(trace.n_experts);
  double uses = 0;
  for (size_t token = 0; token < trace.n_tokens(); ++token) {
    for (const uint16_t expert : trace.experts_of(token, layer)) {
      shares[expert] += 1;
      uses += 1;
    }
  }
  for (double& share : shares) share /= std::max(uses, 1.0);
  return shares;
}

double jensen_shannon(const std::vector<double>& p, const std::vector<double>& q) {
  double bits = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    const double middle = (p[i] + q[i]) / 2;
    if (p[i] > 0) bits += p[i] / 2 * std::log2(p[i] / middle);
    if (q[i] > 0) bits += q[i] / 2 * std::log2(q[i] / middle);
  }
  return bits;
}

}  // namespace

Result<TraceDifference> compare_traces(const RoutingTrace& a, const RoutingTrace& b) {
  if (a.n_layers != b.n_layers || a.n_experts != b.n_experts) {
    return Error{ErrorCode::invalid_argument, "the traces are of models with " + std::to_string(a.n_layers) + " layers of " +
                                                  std::to_string(a.n_experts) + " experts and " + std::to_string(b.n_layers) +
                                                  " of " + std::to_string(b.n_experts) + ": nothing to compare"};
  }
  TraceDifference difference;
  difference.same_tokens = a.tokens == b.tokens && a.n_tokens() > 0;
  for (size_t layer = 0; layer < a.n_layers; ++layer) {
    LayerDifference of;
    of.layer = layer;
    uint64_t experts = 0, same = 0, first = 0;
    for (size_t token = 0; token < a.n_tokens(); ++token) {
      const auto ours = a.experts_of(token, layer);
      experts += ours.size();
      if (!difference.same_tokens || ours.empty()) continue;
      const auto theirs = b.experts_of(token, layer);
      for (const uint16_t expert : ours) same += std::find(theirs.begin(), theirs.end(), expert) != theirs.end();
      first += !theirs.empty() && ours[0] == theirs[0];
    }
    if (experts == 0) continue;
    of.divergence_bits = jensen_shannon(shares(a, layer), shares(b, layer));
    of.same_experts = static_cast<double>(same) / static_cast<double>(experts);
    of.same_first = static_cast<double>(first) / static_cast<double>(a.n_tokens());
    difference.layers.push_back(of);
  }
  return difference;
}

}  // namespace siskin
