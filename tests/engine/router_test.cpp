// The router against the same rules written plainly, in f64 and one expert at a time: every option, odd counts, ties, limits.

#include "engine/router.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>

#include "kernels/select.h"

namespace siskin {
namespace {

using Score = RouterSpec::Score;
using GroupScore = RouterSpec::GroupScore;

struct Chosen {
  size_t expert;
  double weight;
};

double score_of(Score kind, const std::vector<float>& logits, size_t e) {
  const double x = logits[e];
  if (kind == Score::sigmoid) return 1 / (1 + std::exp(-x));
  if (kind == Score::sqrt_softplus) return std::sqrt(std::log(1 + std::exp(x)));
  if (kind == Score::softmax_of_chosen || kind == Score::sparse_mixer) return x;
  double sum = 0;
  for (const float other : logits) sum += std::exp(double{other} - x);
  return 1 / sum;
}

// `by` of the best candidate of a list, lowest index first among equals.
template <class By>
size_t best(const std::vector<size_t>& candidates, By by) {
  size_t at = 0;
  for (size_t i = 1; i < candidates.size(); ++i) {
    if (by(candidates[i]) > by(candidates[at])) at = i;
  }
  return at;
}

std::vector<Chosen> plainly(const RouterSpec& rule, const std::vector<float>& logits, const std::vector<float>& bias,
                            const RouteLimits& limits) {
  const size_t n = logits.size();
  std::vector<double> scores(n), by(n);
  for (size_t e = 0; e < n; ++e) {
    scores[e] = score_of(rule.score, logits, e);
    // Scores rise with logits, so that without a bias either orders the experts; equal logits are equal in both.
    by[e] = bias.empty() ? double{logits[e]} : scores[e] + double{bias[e]};
  }
  if (bias.empty() && rule.n_groups > 1 && rule.group_score == GroupScore::two_largest) by = scores;
  const auto allowed = [&](size_t e) { return limits.allowed == nullptr || limits.allowed[e] != 0; };

  std::vector<size_t> groups(rule.n_groups), open;
  for (size_t g = 0; g < rule.n_groups; ++g) groups[g] = g;
  const size_t size = n / rule.n_groups;
  const auto group_score = [&](size_t g) {
    std::vector<double> in;
    for (size_t e = g * size; e < (g + 1) * size; ++e) {
      if (allowed(e)) in.push_back(by[e]);
    }
    std::sort(in.rbegin(), in.rend());
    if (in.empty()) return -std::numeric_limits<double>::infinity();
    return in.size() == 1 || rule.group_score == GroupScore::largest ? in[0] : in[0] + in[1];
  };
  for (size_t used = 0; used < rule.groups_used; ++used) {
    const size_t at = best(groups, group_score);
    for (size_t e = groups[at] * size; e < (groups[at] + 1) * size; ++e) {
      if (allowed(e)) open.push_back(e);
    }
    groups.erase(groups.begin() + static_cast<std::ptrdiff_t>(at));
  }
  std::sort(open.begin(), open.end());

  std::vector<Chosen> chosen;
  while (chosen.size() < limits.top_k && !open.empty()) {
    const size_t at = best(open, [&](size_t e) { return by[e]; });
    chosen.push_back({open[at], scores[open[at]]});
    if (rule.score == Score::sparse_mixer) {
      const double best_logit = scores[open[at]];
      double sum = 0;
      for (const size_t e : open) {
        const double distance = (best_logit - scores[e]) / std::max(std::abs(scores[e]), best_logit);
        if (!(distance > 2 * double{rule.jitter})) sum += std::exp(scores[e] - best_logit);
      }
      chosen.back().weight = 1 / sum;
    }
    open.erase(open.begin() + static_cast<std::ptrdiff_t>(at));
  }
  double sum = 0;
  if (rule.score == Score::softmax_of_chosen) {
    for (const Chosen& c : chosen) sum += std::exp(c.weight);
    for (Chosen& c : chosen) c.weight = std::exp(c.weight) / sum;
  }
  sum = 0;
  for (const Chosen& c : chosen) sum += c.weight;
  const size_t first = chosen.empty() ? 0 : chosen[0].expert;
  std::erase_if(chosen, [&](const Chosen& c) { return c.expert != first && c.weight < double{limits.min_probability} * sum; });
  sum = 0;
  for (const Chosen& c : chosen) sum += c.weight;
  const bool divides = rule.normalise || rule.score == Score::softmax_of_chosen;
  for (Chosen& c : chosen) c.weight = c.weight / (divides ? std::max(sum, std::ldexp(1.0, -14)) : 1.0) * double{rule.scale};
  return chosen;
}

}  // namespace

TEST_CASE("the router chooses and weighs as its rules say, whatever the options", "[router]") {
  std::mt19937 random(7);
  const auto below = [&](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); };
  std::normal_distribution<float> normal;
  constexpr size_t kCounts[] = {1, 2, 3, 8, 60, 65, 72, 256, 300, 1000};
  for (const Isa& isa : available_isas()) {
    for (size_t n_case = 0; n_case < 4000; ++n_case) {
      const size_t n_experts = kCounts[below(std::size(kCounts))], n_tokens = 1 + below(5);
      RouterSpec rule;
      rule.score = static_cast<Score>(below(5));
      rule.normalise = below(2) == 0;
      rule.jitter = below(2) == 0 ? 0.01f : 0.17f;
      rule.scale = below(2) == 0 ? 1.0f : 2.5f;
      rule.group_score = static_cast<GroupScore>(below(2));
      for (const size_t groups : {2, 3, 4, 8}) {
        if (n_experts % groups == 0 && below(3) == 0) rule.n_groups = groups;
      }
      rule.groups_used = 1 + below(rule.n_groups);
      // Eighths are coarse, so that ties happen, and add exactly, so that f32 and f64 order the sums alike.
      const auto coarse = [&] { return std::round(8 * normal(random)) / 8; };
      std::vector<float> bias(below(2) == 0 ? n_experts : 0);
      for (float& b : bias) b = coarse();
      std::vector<float> logits(n_tokens * n_experts);
      for (float& x : logits) x = coarse();
      std::vector<uint8_t> allowed(n_experts);
      for (uint8_t& a : allowed) a = below(4) != 0;
      std::vector<RouteLimits> limits(n_tokens);
      for (RouteLimits& limit : limits) {
        limit.top_k = 1 + below(std::min<size_t>(n_experts, 17));
        if (below(3) == 0) limit.min_probability = 0.11f;
        if (below(3) == 0) limit.allowed = allowed.data();
      }
      Routing routing;
      std::vector<float> in_place = logits;
      route_tokens(isa.complete, rule, {bias.empty() ? nullptr : bias.data(), 0}, in_place.data(), n_experts, limits, routing);
      REQUIRE(routing.n_tokens() == n_tokens);
      REQUIRE(routing.expert_ids.size() == routing.offsets.back());
      REQUIRE(routing.weights.size() == routing.offsets.back());
      for (size_t t = 0; t < n_tokens; ++t) {
        const std::vector<float> row(logits.begin() + static_cast<std::ptrdiff_t>(t * n_experts),
                                     logits.begin() + static_cast<std::ptrdiff_t>((t + 1) * n_experts));
        const auto expected = plainly(rule, row, bias, limits[t]);
        CAPTURE(isa.name, n_case, n_experts, rule.n_groups, rule.groups_used, rule.score, bias.size(), limits[t].top_k);
        const size_t begin = routing.offsets[t];
        REQUIRE(routing.offsets[t + 1] - begin == expected.size());
        for (size_t rank = 0; rank < expected.size(); ++rank) {
          REQUIRE(routing.expert_ids[begin + rank] == expected[rank].expert);
          REQUIRE(routing.weights[begin + rank] == Approx(expected[rank].weight).epsilon(1e-5));
        }
      }
    }
  }
}

TEST_CASE("scores that are no numbers choose experts that exist, each once, and allowed ones first", "[router]") {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();
  for (const Isa& isa : available_isas()) {
    for (const float bad : {kNan, kInf, -kInf}) {
      for (size_t kind = 0; kind < 5; ++kind) {
        for (const size_t groups : {1, 4}) {
          RouterSpec rule;
          rule.score = static_cast<Score>(kind);
          rule.normalise = true;
          rule.n_groups = groups;
          rule.groups_used = groups == 1 ? 1 : 2;
          std::vector<float> logits(2 * 8, bad);
          logits[3] = 1;
          std::vector<uint8_t> allowed(8, 1);
          allowed[1] = 0;
          const RouteLimits limits[] = {{4, 0, allowed.data()}, {4, 0.2f, nullptr}};
          Routing routing;
          route_tokens(isa.complete, rule, {}, logits.data(), 8, limits, routing);
          std::vector<uint32_t> ids(routing.expert_ids.begin(), routing.expert_ids.begin() + routing.offsets[1]);
          CAPTURE(isa.name, bad, kind, groups);
          CHECK(routing.offsets[1] >= 3);
          CHECK(std::find(ids.begin(), ids.end(), 1u) == ids.end());
          std::sort(ids.begin(), ids.end());
          CHECK(std::adjacent_find(ids.begin(), ids.end()) == ids.end());
          for (const uint32_t id : routing.expert_ids) CHECK(id < 8);
        }
      }
    }
  }
}

TEST_CASE("a mask that allows no expert gives a token none", "[router]") {
  std::vector<float> logits(8, 0.5f);
  const std::vector<uint8_t> none(8, 0);
  const RouteLimits limits[] = {{2, 0, none.data()}};
  Routing routing;
  route_tokens(available_isas().front().complete, {}, {}, logits.data(), 8, limits, routing);
  CHECK(routing.offsets == std::vector<uint32_t>{0, 0});
  CHECK(routing.expert_ids.empty());
}

}  // namespace siskin
