// Widens packed strips to f32, sixteen rows at a time, in the order in which they lie.
#include "kernels/vendor/panel.h"

#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "formats/blocks/half.h"
#include "formats/check.h"
#include "kernels/cpu.h"

namespace siskin {
namespace {

uint16_t load_u16(const std::byte* at) {
  uint16_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

void widen_f32(const std::byte* strip, size_t cols, float* out, size_t k_stride) {
  for (size_t k = 0; k < cols; ++k) std::memcpy(out + k * k_stride, strip + k * 64, 64);
}

void widen_f16(const std::byte* strip, size_t cols, float* out, size_t k_stride) {
  for (size_t k = 0; k < cols; ++k) {
    for (size_t r = 0; r < kStripRows; ++r) out[k * k_stride + r] = f32_from_f16(load_u16(strip + (k * kStripRows + r) * 2));
  }
}

#if defined(__x86_64__)
__attribute__((target("avx,f16c"))) void widen_f16_f16c(const std::byte* strip, size_t cols, float* out, size_t k_stride) {
  for (size_t k = 0; k < cols; ++k) {
    const auto* halves = reinterpret_cast<const __m128i*>(strip + k * 32);
    _mm256_storeu_ps(out + k * k_stride, _mm256_cvtph_ps(_mm_loadu_si128(halves)));
    _mm256_storeu_ps(out + k * k_stride + 8, _mm256_cvtph_ps(_mm_loadu_si128(halves + 1)));
  }
}
#endif

void widen_bf16(const std::byte* strip, size_t cols, float* out, size_t k_stride) {
  for (size_t k = 0; k < cols; ++k) {
    const std::byte* pair = strip + k / 2 * 64 + k % 2 * 2;
    for (size_t r = 0; r < kStripRows; ++r) out[k * k_stride + r] = f32_from_bf16(load_u16(pair + r * 4));
  }
}

void block_scales(const std::byte* block, float* scales) {
  for (size_t r = 0; r < kStripRows; ++r) scales[r] = f32_from_f16(load_u16(block + r * 2));
}

void widen_q8_0(const std::byte* strip, size_t cols, float* out, size_t k_stride) {
  constexpr size_t kBlockBytes = 32 + 16 * kQuantBlock;
  float scales[kStripRows];
  for (size_t k = 0; k < cols; ++k) {
    const std::byte* block = strip + k / kQuantBlock * kBlockBytes;
    if (k % kQuantBlock == 0) block_scales(block, scales);
    const std::byte* group = block + 32 + k % kQuantBlock / 4 * 64 + k % 4;
    for (size_t r = 0; r < kStripRows; ++r) {
      out[k * k_stride + r] = scales[r] * static_cast<float>(std::to_integer<int>(group[r * 4]) - 128);
    }
  }
}

void widen_q4_0(const std::byte* strip, size_t cols, float* out, size_t k_stride) {
  constexpr size_t kBlockBytes = 32 + 8 * kQuantBlock;
  float scales[kStripRows];
  for (size_t k = 0; k < cols; ++k) {
    const std::byte* block = strip + k / kQuantBlock * kBlockBytes;
    if (k % kQuantBlock == 0) block_scales(block, scales);
    const size_t low_k = k % 16;  // the byte that holds k holds k + 16 in its high nibble
    const int shift = k % kQuantBlock < 16 ? 0 : 4;
    const std::byte* group = block + 32 + low_k / 4 * 64 + low_k % 4;
    for (size_t r = 0; r < kStripRows; ++r) {
      out[k * k_stride + r] = scales[r] * static_cast<float>((std::to_integer<int>(group[r * 4]) >> shift & 15) - 8);
    }
  }
}

using WidenStrip = void (*)(const std::byte* strip, size_t cols, float* out, size_t k_stride);

WidenStrip widen_strip_of(DType type) {
  switch (type) {
    case DType::F32:
      return widen_f32;
    case DType::F16:
#if defined(__x86_64__)
      if (cpu_features().avx2) return widen_f16_f16c;
#endif
      return widen_f16;
    case DType::BF16:
      return widen_bf16;
    case DType::Q8_0:
      return widen_q8_0;
    case DType::Q4_0:
      return widen_q4_0;
    default:
      return nullptr;
  }
}

}  // namespace

void widen_strips(const PackedMatrix& w, size_t strip_begin, size_t strip_end, const PanelOut& panel) noexcept {
  const WidenStrip widen = widen_strip_of(w.type);
  SISKIN_CHECK(widen != nullptr);
  for (size_t s = strip_begin; s < strip_end; ++s) {
    widen(w.data + s * w.strip_bytes, w.cols, panel.out + (s - strip_begin) * panel.strip_stride, panel.k_stride);
  }
}

void gather_rows(const MatmulArgs& args, float* out, size_t stride) noexcept {
  for (size_t i = 0; i < args.m; ++i) {
    const size_t row = args.gather != nullptr ? args.gather[i] : i;
    std::memcpy(out + i * stride, args.x + row * args.x_stride, args.w.cols * sizeof(float));
  }
}

}  // namespace siskin
