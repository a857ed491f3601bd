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

void Sampler::penalize(std::span<float> logits, std::span<const TokenId> recent) const {
  if (sampling_.repeat_penalty == 1.0f) return;
  const size_t n = std::min<size_t>(recent.size(), sampling_.repeat_last_n);
  std::vector<TokenId> seen(recent.end() - static_cast<std::ptrdiff_t>(n), recent.end());
  std::sort(seen.begin(), seen.end());
  seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
  for (const TokenId id : seen) {
    float& logit = logits[static_cast<size_t>(id)];
    logit = logit > 0 ? logit / sampling_.repeat_penalty : logit * sampling_.repeat_penalty;
  }
}

void Sampler::gather(std::span<const float> logits) {
  // Damaged weights give NaN and infinities, which sorting and differences must not meet: NaN ranks below everything.
  const auto sane = [](float logit) {
    constexpr float kMost = std::numeric_limits<float>::max();
    return std::isnan(logit) ? -kMost : std::clamp(logit, -kMost, kMost);
  };
  // The kernel keeps its k best by insertion: quick for few of them.
  constexpr size_t kFew = 256;
  candidates_.clear();
  const size_t k = sampling_.top_k == 0 ? logits.size() : std::min<size_t>(sampling_.top_k, logits.size());
  if (k <= kFew) {
    ids_.resize(k);
    kernels_.top_k(logits.data(), logits.size(), k, ids_.data());
    for (const uint32_t id : ids_) candidates_.emplace_back(sane(logits[id]), static_cast<TokenId>(id));
  } else {
    // Only what min-p may keep is worth sorting; all of the top-k still count in the mass.
    const float best = sane(logits[kernels_.argmax(logits.data(), logits.size())]);
    const bool drops = sampling_.top_k == 0 && sampling_.min_p > 0;
    const float least = drops ? best + std::log(std::min(sampling_.min_p, 1.0f)) - 1e-3f : -std::numeric_limits<float>::infinity();
    for (size_t id = 0; id < logits.size(); ++id) {
      if (logits[id] < least) continue;
      candidates_.emplace_back(sane(logits[id]), static_cast<TokenId>(id));
    }
  }
  const auto better = [](const auto& a, const auto& b) { return a.first != b.first ? a.first > b.first : a.second < b.second; };
  const size_t kept = std::min(k, candidates_.size());
  std::partial_sort(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(kept), candidates_.end(), better);
  candidates_.resize(kept);
  const double best = static_cast<double>(candidates_.front().first);
  mass_ = 0;
  if (sampling_.top_p >= 1) return;
  if (k < logits.size()) {
    for (const auto& [logit, id] : candidates_) mass_ += std::exp(static_cast<double>(logit) - best);
  } else {
    for (const float logit : logits) mass_ += std::exp(static_cast<double>(sane(logit)) - best);
  }
}

TokenId Sampler::pick(std::span<float> logits, std::span<const TokenId> recent) {
  penalize(logits, recent);
  if (sampling_.temperature <= 0) return static_cast<TokenId>(kernels_.argmax(logits.data(), logits.size()));
  gather(logits);

  // Probabilities before temperature decide top-p and min-p.
  const float best = candidates_.front().first;
  size_t kept = 0;
  double mass = 0;
  for (const auto& [logit, id] : candidates_) {
    const double ratio = std::exp(static_cast<double>(logit - best));  // to the best token's probability
    const bool enough = sampling_.top_p < 1 && mass >= static_cast<double>(sampling_.top_p) * mass_;
    if (kept > 0 && (enough || ratio < static_cast<double>(sampling_.min_p))) break;
    mass += ratio;
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
