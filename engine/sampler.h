// Sampler: from logits to a token, by the filters users know, in llama.cpp's order: repeat penalty, top-k, top-p, min-p,
// temperature, draw.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <siskin/session.h>

#include "kernels/kernels.h"

namespace siskin {

class Sampler {
 public:
  Sampler(const Sampling& sampling, const KernelTable& kernels) : sampling_(sampling), kernels_(kernels), state_(sampling.seed) {}

  // Picks a token; `logits` [n_vocab] is scratch afterwards. `recent` are the tokens that the repeat penalty looks at.
  // Temperature 0 is the largest logit, ties by lower id.
  TokenId pick(std::span<float> logits, std::span<const TokenId> recent);

 private:
  double next_uniform();  // [0, 1), the same sequence on every platform
  void penalize(std::span<float> logits, std::span<const TokenId> recent) const;
  // Fills candidates_ with the top-k, best first, without those that min-p is certain to drop.
  void gather(std::span<const float> logits);

  Sampling sampling_;
  const KernelTable& kernels_;
  uint64_t state_;
  std::vector<uint32_t> ids_;
  std::vector<std::pair<float, TokenId>> candidates_;
  double mass_ = 0;  // sum of exp(logit - best) over the top-k
};

}  // namespace siskin
