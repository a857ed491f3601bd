#include "engine/router.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace siskin {
namespace {

using Score = RouterSpec::Score;

constexpr float kNever = -std::numeric_limits<float>::infinity();
constexpr float kLeastSum = 6.103515625e-5f;

void score(const KernelTable& kernels, Score kind, float* x, size_t n) {
  switch (kind) {
    case Score::softmax:
      return kernels.softmax(x, n);
    case Score::sigmoid:
      for (size_t e = 0; e < n; ++e) x[e] = 1.0f / (1.0f + std::exp(-x[e]));
      return;
    case Score::sqrt_softplus:  // log(1 + e^x) = max(x, 0) + log(1 + e^-|x|), which does not overflow
      for (size_t e = 0; e < n; ++e) x[e] = std::sqrt(std::max(x[e], 0.0f) + std::log1p(std::exp(-std::abs(x[e]))));
      return;
    case Score::softmax_of_chosen:
    case Score::sparse_mixer:
      return;
  }
}

// Of one token: what its experts are chosen by.
class Selection {
 public:
  Selection(const RouterSpec& rule, size_t n_experts) : rule_(rule), values_(n_experts) {}

  // Copies `by`, adds the bias and rules out what may not be chosen.
  void fill(const KernelTable& kernels, const float* by, const SelectionBias& bias, const uint8_t* allowed) {
    std::copy_n(by, values_.size(), values_.begin());
    if (bias.values != nullptr) kernels.add_bias({bias.values, values_.data(), values_.size(), bias.tensor});
    left_ = values_.size();
    if (allowed == nullptr && rule_.n_groups <= 1) return;
    // Whatever may be chosen ranks before what may not.
    for (float& value : values_)
      value = value > std::numeric_limits<float>::lowest() ? value : std::numeric_limits<float>::lowest();
    for (size_t e = 0; allowed != nullptr && e < values_.size(); ++e) {
      if (allowed[e] == 0) rule_out(e);
    }
    if (rule_.n_groups > 1) keep_best_groups(kernels);
  }
  const float* values() const { return values_.data(); }
  size_t left() const { return left_; }  // experts that may be chosen

  void rule_out(size_t expert) {
    left_ -= values_[expert] != kNever;
    values_[expert] = kNever;
  }

 private:
  // A group's largest score, or the sum of its two largest; of fewer, what there is.
  float group_score(const float* group, size_t n) const {
    float first = kNever, second = kNever;
    for (size_t e = 0; e < n; ++e) {
      if (group[e] > first) {
        second = first;
        first = group[e];
      } else if (group[e] > second) {
        second = group[e];
      }
    }
    return rule_.group_score == RouterSpec::GroupScore::largest || second == kNever ? first : first + second;
  }

  void keep_best_groups(const KernelTable& kernels) {
    const size_t size = values_.size() / rule_.n_groups;
    std::vector<float> scores(rule_.n_groups);
    for (size_t g = 0; g < rule_.n_groups; ++g) scores[g] = group_score(&values_[g * size], size);
    std::vector<uint32_t> order(rule_.n_groups);
    kernels.top_k(scores.data(), scores.size(), scores.size(), order.data());
    for (size_t rank = rule_.groups_used; rank < order.size(); ++rank) {
      for (size_t e = 0; e < size; ++e) rule_out(order[rank] * size + e);
    }
  }

  const RouterSpec& rule_;
  std::vector<float> values_;
  size_t left_ = 0;
};

// Weighs the chosen in their order, each by its share of a softmax of the experts that are left when its turn comes, without
// those whose logits are far below its own.
void weigh_sparsely(const float* logits, size_t n, float jitter, std::span<const uint32_t> ids, Selection& left,
                    float* weights) {
  for (size_t rank = 0; rank < ids.size(); ++rank) {
    const float best = logits[ids[rank]];
    float sum = 0;
    for (size_t e = 0; e < n; ++e) {
      const bool far_below = (best - logits[e]) / std::max(std::abs(logits[e]), best) > 2 * jitter;
      if (left.values()[e] != kNever && !far_below) sum += std::exp(logits[e] - best);
    }
    weights[rank] = 1.0f / sum;
    left.rule_out(ids[rank]);
  }
}

// Leaves out what weighs less than `least` of the sum, the first aside. Returns how many are left.
size_t cut(uint32_t* ids, float* weights, size_t k, float least) {
  float sum = 0;
  for (size_t rank = 0; rank < k; ++rank) sum += weights[rank];
  size_t kept = 0;
  for (size_t rank = 0; rank < k; ++rank) {
    if (rank > 0 && weights[rank] < least * sum) continue;
    ids[kept] = ids[rank];
    weights[kept++] = weights[rank];
  }
  return kept;
}

void normalise(float* weights, size_t k) {
  float sum = 0;
  for (size_t rank = 0; rank < k; ++rank) sum += weights[rank];
  sum = std::max(sum, kLeastSum);
  for (size_t rank = 0; rank < k; ++rank) weights[rank] /= sum;
}

}  // namespace

void route_tokens(const KernelTable& kernels, const RouterSpec& rule, const SelectionBias& bias, float* logits,
                  size_t n_experts, std::span<const RouteLimits> limits, Routing& routing) {
  size_t most = 0;
  for (const RouteLimits& limit : limits) most += std::min(limit.top_k, n_experts);
  routing.offsets.resize(limits.size() + 1);
  routing.expert_ids.resize(most);
  routing.weights.resize(most);
  routing.offsets[0] = 0;
  const bool by_logits = bias.values == nullptr && (rule.n_groups <= 1 || rule.group_score == RouterSpec::GroupScore::largest);
  Selection selection(rule, n_experts);
  size_t end = 0;
  for (size_t t = 0; t < limits.size(); ++t) {
    float* row = logits + t * n_experts;
    uint32_t* ids = routing.expert_ids.data() + end;
    float* weights = routing.weights.data() + end;
    if (by_logits) selection.fill(kernels, row, bias, limits[t].allowed);
    score(kernels, rule.score, row, n_experts);
    if (!by_logits) selection.fill(kernels, row, bias, limits[t].allowed);
    size_t k = std::min(limits[t].top_k, selection.left());
    if (k > 0) {
      kernels.top_k(selection.values(), n_experts, k, ids);
      for (size_t rank = 0; rank < k; ++rank) weights[rank] = row[ids[rank]];
      const bool of_chosen = rule.score == Score::softmax_of_chosen;
      if (of_chosen) kernels.softmax(weights, k);
      if (rule.score == Score::sparse_mixer) weigh_sparsely(row, n_experts, rule.jitter, {ids, k}, selection, weights);
      const size_t kept = limits[t].min_probability > 0 ? cut(ids, weights, k, limits[t].min_probability) : k;
      if (rule.normalise || (of_chosen && kept < k)) normalise(weights, kept);
      for (size_t rank = 0; rank < kept; ++rank) weights[rank] *= rule.scale;
      k = kept;
    }
    end += k;
    routing.offsets[t + 1] = static_cast<uint32_t>(end);
  }
  routing.expert_ids.resize(end);
  routing.weights.resize(end);
}

}  // namespace siskin
