// top_k and argmax against a stable sort: ties by lower index, NaN below everything.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "tests/kernels/check.h"

namespace siskin::test {
namespace {

// Values with many ties, and sometimes NaN, infinities and signed zeros, which compare equal.
void fill_ordered(Rng& rng, size_t n_case, float* x, size_t n) {
  const float inf = std::numeric_limits<float>::infinity();
  const float special[] = {std::numeric_limits<float>::quiet_NaN(), inf, -inf, 0.0f, -0.0f};
  for (size_t j = 0; j < n; ++j) {
    x[j] = n_case % 3 == 0 ? rng.normal() : static_cast<float>(rng.below(7)) - 3.0f;
    if (n_case % 4 == 3 && rng.below(3) == 0) x[j] = special[rng.below(5)];
    if (n_case % 97 == 96) x[j] = special[0];
    if (n_case % 97 == 95) x[j] = -inf;
  }
}

std::vector<uint32_t> sorted_ids(const float* x, size_t n) {
  std::vector<uint32_t> ids(n);
  std::iota(ids.begin(), ids.end(), 0u);
  std::stable_sort(ids.begin(), ids.end(), [x](uint32_t a, uint32_t b) {
    if (std::isnan(x[a]) || std::isnan(x[b])) return !std::isnan(x[a]) && std::isnan(x[b]);
    return x[a] > x[b];
  });
  return ids;
}

}  // namespace

void check(const Kernel& kernel, TopKFn fn) {
  Rng rng(17);
  GuardedBuffer x_buffer(1 << 14), ids_buffer(1 << 14);
  for (size_t n_case = 0; n_case < 1500; ++n_case) {
    const size_t n = rng.between(1, n_case % 8 == 7 ? 700 : 70);
    const size_t k = n_case % 6 == 5 ? n : rng.between(1, std::min<size_t>(n, 12));
    auto* x = x_buffer.tail_of<float>(n);
    fill_ordered(rng, n_case, x, n);
    auto* ids = ids_buffer.tail_of<uint32_t>(k);
    const Case here(kernel, "k %zu of n %zu, case %zu", k, n, n_case);
    fn(x, n, k, ids);
    here.same_bytes("the ids", ids, sorted_ids(x, n).data(), k * sizeof(uint32_t));
    here.require(ids_buffer.canary_intact(), "wrote before its output");
  }
}

void check(const Kernel& kernel, ArgmaxFn fn) {
  Rng rng(19);
  GuardedBuffer x_buffer(1 << 14);
  for (size_t n_case = 0; n_case < 1500; ++n_case) {
    const size_t n = rng.between(1, n_case % 8 == 7 ? 2000 : 70);
    auto* x = x_buffer.tail_of<float>(n);
    fill_ordered(rng, n_case, x, n);
    const Case here(kernel, "n %zu, case %zu", n, n_case);
    here.require(fn(x, n) == sorted_ids(x, n)[0], "not the first of the largest");
  }
}

}  // namespace siskin::test
