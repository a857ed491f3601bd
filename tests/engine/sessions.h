// Models and sessions as the engine's tests want them: what cannot be loaded fails the test.
#pragma once

#include <siskin/session.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace siskin::test {

inline std::shared_ptr<const Model> load(const std::filesystem::path& path, const std::string& isa = {}) {
  LoadOptions options;
  options.isa = isa;
  auto model = Model::load(path, options);
  if (!model) FAIL(model.error().message);
  return *model;
}

// Of a vocabulary of 300.
inline std::vector<TokenId> some_tokens(size_t n, size_t seed = 1) {
  std::vector<TokenId> tokens(n);
  for (size_t i = 0; i < n; ++i) tokens[i] = static_cast<TokenId>((seed * 91 + i * i * 13 + i) % 300);
  return tokens;
}

inline Request greedy(std::vector<TokenId> tokens, size_t n) {
  Request request;
  request.tokens = std::move(tokens);
  request.max_new_tokens = n;
  request.sampling.temperature = 0;
  request.ignore_eos = true;
  return request;
}

inline std::vector<float> logits_of(Session& session, const std::vector<TokenId>& tokens, size_t chunk = 512) {
  auto logits = session.logits(tokens, chunk);
  if (!logits) FAIL(logits.error().message);
  return std::move(*logits);
}

// No logit farther from the reference's than 1e-5 of the largest.
inline void check_parity(const std::vector<float>& logits, const std::vector<double>& expected) {
  REQUIRE(logits.size() == expected.size());
  double difference = 0, largest = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    difference = std::max(difference, std::abs(double{logits[i]} - expected[i]));
    largest = std::max(largest, std::abs(expected[i]));
  }
  CAPTURE(difference, largest);
  CHECK(difference <= 1e-5 * largest);
}

}  // namespace siskin::test
