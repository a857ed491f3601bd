// The sampler against its definition written out: everything sorted, filters one after another, the same draw.

#include "engine/sampler.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "kernels/select.h"

namespace siskin {
namespace {

struct Random {
  uint64_t state;
  double uniform() {
    uint64_t z = (state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
  }
};

// What is kept, best first, with the probability of each before temperature.
std::vector<std::pair<double, TokenId>> kept_by(const Sampling& sampling, const std::vector<float>& logits) {
  std::vector<std::pair<double, TokenId>> all;
  for (size_t id = 0; id < logits.size(); ++id) {
    const double most = std::numeric_limits<float>::max();
    all.emplace_back(std::isnan(logits[id]) ? -most : std::clamp(double{logits[id]}, -most, most), static_cast<TokenId>(id));
  }
  std::sort(all.begin(), all.end(),
            [](const auto& a, const auto& b) { return a.first != b.first ? a.first > b.first : a.second < b.second; });
  if (sampling.top_k > 0 && sampling.top_k < all.size()) all.resize(sampling.top_k);
  const double best = all.front().first;
  double sum = 0, mass = 0;
  for (const auto& [logit, id] : all) sum += std::exp(logit - best);
  size_t kept = 0;
  for (; kept < all.size(); ++kept) {
    const double ratio = std::exp(all[kept].first - best);
    if (kept > 0 && ((sampling.top_p < 1 && mass / sum >= double{sampling.top_p}) || ratio < double{sampling.min_p})) break;
    mass += ratio;
  }
  all.resize(kept);
  return all;
}

TokenId drawn_by(const Sampling& sampling, const std::vector<float>& logits, double uniform) {
  const auto kept = kept_by(sampling, logits);
  double total = 0;
  for (const auto& [logit, id] : kept) total += std::exp((logit - kept.front().first) / double{sampling.temperature});
  double target = uniform * total;
  for (const auto& [logit, id] : kept) {
    target -= std::exp((logit - kept.front().first) / double{sampling.temperature});
    if (target < 0) return id;
  }
  return kept.back().second;
}

}  // namespace

TEST_CASE("a draw is what the filters' definition gives", "[sampler]") {
  Random random{7};
  for (const size_t n_vocab : {size_t{5}, size_t{300}, size_t{20000}}) {
    for (const uint32_t top_k : {0u, 1u, 40u, 300u, 30000u}) {
      for (const float top_p : {1.0f, 0.9f}) {
        for (const float min_p : {0.0f, 0.05f, 2.0f}) {
          for (const int damage : {0, 1}) {
            Sampling sampling;
            sampling.top_k = top_k;
            sampling.top_p = top_p;
            sampling.min_p = min_p;
            sampling.seed = n_vocab + top_k;
            std::vector<float> logits(n_vocab);
            for (float& logit : logits) logit = static_cast<float>(random.uniform() * 12);
            if (damage == 1) {
              logits[2] = std::numeric_limits<float>::quiet_NaN();
              logits[4] = std::numeric_limits<float>::infinity();
              logits[1] = logits[3];
            }
            Sampler sampler(sampling, available_isas().back().complete);
            Random draws{sampling.seed};
            CAPTURE(n_vocab, top_k, top_p, min_p, damage);
            for (int i = 0; i < 3; ++i) {
              std::vector<float> scratch = logits;
              const TokenId expected = drawn_by(sampling, logits, draws.uniform());
              CHECK(sampler.pick(scratch, {}) == expected);
            }
          }
        }
      }
    }
  }
}

TEST_CASE("temperature 0 is the largest logit, after the penalty", "[sampler]") {
  Sampling sampling;
  sampling.temperature = 0;
  sampling.repeat_penalty = 2;
  Sampler sampler(sampling, available_isas().back().complete);
  std::vector<float> logits = {1, 3, 2, -1};
  const std::vector<TokenId> recent = {1, 1};
  CHECK(sampler.pick(logits, recent) == 2);
}

}  // namespace siskin
