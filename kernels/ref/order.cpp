// Which values are largest: ties go to the lower index, NaN ranks below everything.
#include <cmath>

#include "kernels/ref/bodies.h"

namespace siskin::ref {
namespace {

bool larger(float a, float b) { return std::isnan(b) ? !std::isnan(a) : a > b; }

}  // namespace

void top_k(const float* x, size_t n, size_t k, uint32_t* ids) noexcept {
  // ids[0..found) are the best so far, in order; each candidate moves up past those that it beats.
  size_t found = 0;
  for (size_t j = 0; j < n; ++j) {
    if (found == k && !larger(x[j], x[ids[k - 1]])) continue;
    size_t place = found < k ? found++ : k - 1;
    for (; place > 0 && larger(x[j], x[ids[place - 1]]); --place) ids[place] = ids[place - 1];
    ids[place] = static_cast<uint32_t>(j);
  }
}

size_t argmax(const float* x, size_t n) noexcept {
  size_t best = 0;
  for (size_t j = 1; j < n; ++j) {
    if (larger(x[j], x[best])) best = j;
  }
  return best;
}

}  // namespace siskin::ref
