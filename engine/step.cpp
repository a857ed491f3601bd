#include "engine/step.h"

#include <algorithm>
#include <cmath>

namespace siskin {

void ActivationRows::resize(size_t n, size_t row_width, bool with_int8, size_t most) {
  width = row_width;
  quantized = with_int8;
  rounded = bf16_from != 0 && std::min(n, most) >= bf16_from;
  values.resize(n * width);
  if (rounded) bf16.resize(n * bf16_lines());
  if (!with_int8) return;
  q.resize(n * width);
  scale.resize(n * width / kQuantBlock);
  sum.resize(n * width / kQuantBlock);
  half.resize(n * width / kQuantBlock);
}

void ActivationRows::quantize(const KernelTable& kernels, size_t i, size_t first, size_t n) {
  quantize_from(kernels, row(i) + first, i, first, n);
}

void ActivationRows::quantize_from(const KernelTable& kernels, const float* from, size_t i, size_t first, size_t n) {
  const size_t at = i * width + first, block = at / kQuantBlock;
  if (rounded) kernels.round_bf16(from, n, bf16[i * bf16_lines() + first / 32].values);
  if (quantized) kernels.quantize_q8(from, n, q.data() + at, scale.data() + block, sum.data() + block, half.data() + block);
}

// angle(p, j) = p / linear_factor * base^(-2j/n_rot) / divisor_j; cos and sin are times `magnitude`.   Source: RoFormer (arXiv
// 2104.09864), eq. 15.
RopeTable::RopeTable(const RopeSpec& spec, size_t n_rot, size_t ctx) : half(n_rot / 2) {
  cos.resize(ctx * half);
  sin.resize(ctx * half);
  const bool long_context = !spec.long_divisors.empty() && ctx >= spec.long_from;
  const std::vector<float>& divisors = long_context ? spec.long_divisors : spec.divisors;
  const float magnitude = long_context ? spec.long_magnitude : spec.magnitude;
  for (size_t j = 0; j < half; ++j) {
    const double divisor = divisors.empty() ? 1.0 : divisors[j];
    const double frequency =
        std::pow(spec.base, -2.0 * static_cast<double>(j) / static_cast<double>(n_rot)) / divisor / spec.linear_factor;
    for (size_t p = 0; p < ctx; ++p) {
      const double angle = static_cast<double>(p) * frequency;
      cos[p * half + j] = static_cast<float>(std::cos(angle) * magnitude);
      sin[p * half + j] = static_cast<float>(std::sin(angle) * magnitude);
    }
  }
}

}  // namespace siskin
