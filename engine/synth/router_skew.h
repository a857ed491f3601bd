// Routers whose experts are not equally popular: which biases make popularity fall like a power of the rank.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace siskin {

// The bias of each rank, most popular first, under which top-k of (bias + unit Gaussian) picks rank r with a share of the picks
// proportional to r^-skew; found by simulation, the same on every run. No expert can have more than 1/top_k of the picks: where
// the power law asks for more, the rest is spread over the ranks below by the same law. REQUIRES: 1 <= top_k <= n_experts.
std::vector<double> biases_by_rank(size_t n_experts, size_t top_k, double skew);

// The shares that biases_by_rank aims at; they add up to 1.
std::vector<double> target_shares(size_t n_experts, size_t top_k, double skew);

// A mixture's router [n_experts, d_model] in F32. Without biases: rows of variance 1/d_model, all experts alike. With biases:
// such rows, but component 0 gives each expert the bias of its rank on inputs that have `common` there; who holds which rank
// depends on the seed. Approximate, because a real input's other components are only about Gaussian of variance 1.
std::vector<float> router_rows(size_t n_experts, size_t d_model, const std::vector<double>& biases, double common,
                               uint64_t seed);

}  // namespace siskin
