// ExpertBudget: the most experts per token for which a decode step keeps to a time, from the steps' measured cost t = a + b k.
#pragma once

#include <cstddef>
#include <vector>

namespace siskin {

class ExpertBudget {
 public:
  // Starts with most_k. REQUIRES: seconds > 0, most_k > 0.
  ExpertBudget(double seconds, size_t most_k);

  size_t k() const { return k_; }
  // A step with k() experts took so long. k() may be another one afterwards.
  void add(double seconds);

 private:
  struct Mean {
    double seconds = 0, weight = 0;
  };
  size_t choose() const;

  double budget_;
  size_t k_;
  size_t steps_ = 0;         // since k_ changed
  std::vector<Mean> means_;  // [most_k + 1]
};

}  // namespace siskin
