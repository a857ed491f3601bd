#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace siskin {

// SplitMix64 (Steele, Lea, Flood 2014): one word of state, the same numbers everywhere.
double Sampler::next_uniform() {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15ull);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

TokenId Sampler::pick(std::span<float> logits, std::span<const TokenId> recent) {
  if (sampling_.repeat_penalty != 1.0f) {
    const size_t n = std::min<size_t>(recent.size(), sampling_.repeat_last_n);
    std::vector<TokenId> seen(recent.end() - static_cast<std::ptrdiff_t>(n), recent.end());
    std::sort(seen.begin(), seen.end());
    seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
    for (const TokenId id : seen) {
      float& logit = logits[static_cast<size_t>(id)];
      logit = logit > 0 ? logit / sampling_.repeat_penalty : logit * sampling_.repeat_penalty;
    }
  }
  if (sampling_.temperature <= 0) return static_cast<TokenId>(kernels_.argmax(logits.data(), logits.size()));

  candidates_.clear();
  // Damaged weights give NaN and infinities, which sorting and differences must not meet: NaN ranks below everything.
  constexpr float kMost = std::numeric_limits<float>::max();
  for (size_t id = 0; id < logits.size(); ++id) {
    const float logit = std::isnan(logits[id]) ? -kMost : std::clamp(logits[id], -kMost, kMost);
    candidates_.emplace_back(logit, static_cast<TokenId>(id));
  }
  const auto better = [](const auto& a, const auto& b) { return a.first != b.first ? a.first > b.first : a.second < b.second; };
  const size_t k = sampling_.top_k == 0 ? candidates_.size() : std::min<size_t>(sampling_.top_k, candidates_.size());
  std::partial_sort(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(k), candidates_.end(), better);
  candidates_.resize(k);

  // Probabilities before temperature decide top-p and min-p.
  const float best = candidates_.front().first;
  double sum = 0;
  for (const auto& [logit, id] : candidates_) sum += std::exp(static_cast<double>(logit - best));
  size_t kept = 0;
  double mass = 0;
  for (const auto& [logit, id] : candidates_) {
    const double ratio = std::exp(static_cast<double>(logit - best));  // to the best token's probability
    if (kept > 0 && (mass >= static_cast<double>(sampling_.top_p) || ratio < static_cast<double>(sampling_.min_p))) break;
    mass += ratio / sum;
    ++kept;
  }
  candidates_.resize(kept);

  double total = 0;
  for (const auto& [logit, id] : candidates_) total += std::exp(static_cast<double>((logit - best) / sampling_.temperature));
  double target = next_uniform() * total;
  for (const auto& [logit, id] : candidates_) {
    target -= std::exp(static_cast<double>((logit - best) / sampling_.temperature));
    if (target < 0) return id;
  }
  return candidates_.back().second;
}

}  // namespace siskin
