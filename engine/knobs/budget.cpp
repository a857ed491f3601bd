#include "engine/knobs/budget.h"

#include <algorithm>
#include <cmath>

namespace siskin {
namespace {

// The first step after a change still warms caches for what it reads; the mean of the next few is steady to a few per cent.
constexpr size_t kWarmSteps = 1;
constexpr size_t kStepsPerChoice = 4;
constexpr double kForget = 0.8;       // what a mean's past weighs against each new step
constexpr double kKeepPast = 0.5;     // what other k's means lose with each choice, so that a changed machine is noticed
constexpr double kForgotten = 0.05;   // a mean that weighs less says nothing any more
constexpr double kRoomToGrow = 0.97;  // of the budget: more experts are taken only where they fit with room, or k would swing

}  // namespace

ExpertBudget::ExpertBudget(double seconds, size_t most_k) : budget_(seconds), k_(most_k), means_(most_k + 1) {}

void ExpertBudget::add(double seconds) {
  ++steps_;
  if (steps_ <= kWarmSteps) return;
  Mean& mean = means_[k_];
  mean.seconds = mean.weight == 0 ? seconds : kForget * mean.seconds + (1 - kForget) * seconds;
  mean.weight = std::min(mean.weight + 1, 8.0);
  if (steps_ < kWarmSteps + kStepsPerChoice) return;
  const size_t next = choose();
  for (size_t k = 0; k < means_.size(); ++k) {
    if (k != k_) means_[k].weight *= kKeepPast;
  }
  steps_ = next == k_ ? kWarmSteps : 0;
  k_ = next;
}

size_t ExpertBudget::choose() const {
  const size_t most = means_.size() - 1;
  const double here = means_[k_].seconds;
  double w = 0, x = 0, y = 0, xx = 0, xy = 0;
  size_t measured = 0;
  for (size_t k = 1; k <= most; ++k) {
    const Mean& mean = means_[k];
    if (mean.weight < kForgotten) continue;
    const double at = static_cast<double>(k);
    w += mean.weight, x += mean.weight * at, y += mean.weight * mean.seconds;
    xx += mean.weight * at * at, xy += mean.weight * at * mean.seconds;
    ++measured;
  }
  const double spread = w * xx - x * x;
  double slope = measured > 1 && spread > 0 ? (w * xy - x * y) / spread : 0;
  // One k alone, or a slope that the noise turned: that all of the time is the experts' is the most cautious guess.
  if (!(slope > 0)) slope = here / static_cast<double>(k_);
  const auto predicted = [&](size_t k) { return here + slope * (static_cast<double>(k) - static_cast<double>(k_)); };
  size_t best = 1;
  for (size_t k = 1; k <= most; ++k) {
    if (predicted(k) <= budget_ * (k > k_ ? kRoomToGrow : 1.0)) best = k;
  }
  return best;
}

}  // namespace siskin
