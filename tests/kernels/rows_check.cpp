// Kernels that must be exact: embedding lookup, int8 activations, storing K and V.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "formats/blocks/codec.h"
#include "formats/blocks/half.h"
#include "tests/kernels/check.h"
#include "tests/kernels/kv_values.h"
#include "tests/kernels/tolerance.h"

namespace siskin::test {

void check(const Kernel& kernel, GetRowFn fn) {
  Rng rng(7);
  GuardedBuffer packed_buffer(1 << 18), out_buffer(1 << 14);
  for (const DType type : built_types()) {
    for (size_t matrix = 0; matrix < 40; ++matrix) {
      const size_t unit = dtype_info(type).block_elems;
      const size_t rows = rng.between(1, 50);
      const size_t cols = unit == 1 ? rng.between(1, 150) : unit * rng.between(1, unit == 32 ? 6 : 2);
      std::vector<float> values(rows * cols);
      rng.fill_normal(values.data(), values.size());
      std::vector<std::byte> file(rows * row_bytes(type, cols));
      for (size_t r = 0; r < rows; ++r) {
        encode_row(type, values.data() + r * cols, file.data() + r * row_bytes(type, cols), cols);
      }
      std::byte* data = packed_buffer.tail(packed_bytes(type, rows, cols), 64);
      const PackedMatrix w{data, type, packed_layout(type), rows, cols, packed_strip_bytes(type, cols), 0, 0};
      pack_strips(type, file.data(), rows, cols, 0, w.strips(), data);
      for (size_t n = 0; n < 8; ++n) {
        const size_t row = n == 0 ? rows - 1 : rng.below(rows);
        const Case here(kernel, "%s, row %zu of [%zu, %zu]", dtype_name(type), row, rows, cols);
        std::vector<float> want(cols);
        decode_row(type, file.data() + row * row_bytes(type, cols), want.data(), cols);
        auto* out = out_buffer.tail_of<float>(cols);
        fn({w, row, out});
        here.same_bytes("the row", out, want.data(), cols * sizeof(float));
        here.require(out_buffer.canary_intact(), "wrote before its output");
      }
    }
  }
}

// Written apart from ref, in f64 where the contract is about real numbers.
void check(const Kernel& kernel, QuantizeFn fn) {
  Rng rng(11);
  GuardedBuffer x_buffer(1 << 14), q_buffer(1 << 12), scale_buffer(1 << 10), sum_buffer(1 << 10), half_buffer(1 << 10);
  for (size_t n_case = 0; n_case < 1500; ++n_case) {
    const size_t n_blocks = rng.between(1, 20);
    const size_t n = n_blocks * kQuantBlock;
    auto* x = x_buffer.tail_of<float>(n);
    const float spread = std::ldexp(1.0f, static_cast<int>(rng.between(0, 60)) - 30);
    for (size_t k = 0; k < n; ++k) x[k] = rng.normal() * spread;
    if (n_case % 5 == 0) std::fill_n(x + rng.below(n_blocks) * kQuantBlock, kQuantBlock, 0.0f);
    if (n_case % 5 == 1) {  // ties: halves of the scale, where rounding half away from zero would differ
      for (size_t k = 0; k < n; ++k) x[k] = static_cast<float>(static_cast<int>(rng.below(254)) - 127) + 0.5f;
      for (size_t b = 0; b < n_blocks; ++b) x[b * kQuantBlock + rng.below(kQuantBlock)] = 127.0f;
      for (size_t k = 0; k < n; ++k) x[k] = std::clamp(x[k], -127.0f, 127.0f);
    }
    auto* q = q_buffer.tail_of<int8_t>(n);
    auto* scale = scale_buffer.tail_of<float>(n_blocks);
    auto* sum = sum_buffer.tail_of<int32_t>(n_blocks);
    auto* half = half_buffer.tail_of<int32_t>(n_blocks);
    const Case here(kernel, "%zu blocks, case %zu", n_blocks, n_case);
    fn(x, n, q, scale, sum, half);
    for (size_t b = 0; b < n_blocks; ++b) {
      float largest = 0.0f;
      for (size_t k = 0; k < kQuantBlock; ++k) largest = std::max(largest, std::fabs(x[b * kQuantBlock + k]));
      here.require(scale[b] == largest / 127.0f, "the scale is not max / 127");
      const float inverse = largest > 0.0f ? 127.0f / largest : 0.0f;
      int32_t total = 0, first = 0;
      for (size_t k = b * kQuantBlock; k < (b + 1) * kQuantBlock; ++k) {
        const float scaled = x[k] * inverse;
        here.require(static_cast<float>(q[k]) == std::nearbyint(scaled), "q is not x * (127 / max), rounded half to even");
        here.near(k, static_cast<double>(q[k]) * static_cast<double>(scale[b]), static_cast<double>(x[k]),
                  static_cast<double>(scale[b]) * (0.5 + 256 * kUnit * 2));
        total += q[k];
        if (k % kQuantBlock < kQuantBlock / 2) first += q[k];
      }
      here.require(sum[b] == total, "sum is not the sum of q");
      here.require(half[b] == first, "half is not the sum of the first 16 q");
    }
    here.require(
        q_buffer.canary_intact() && scale_buffer.canary_intact() && sum_buffer.canary_intact() && half_buffer.canary_intact(),
        "wrote before its outputs");
  }
}

namespace {

// What one element of a slot must hold, written into blocks of the same size.
void expect_element(DType type, float x, size_t index, std::byte* block) {
  if (type == DType::F32) std::memcpy(block + index * 4, &x, 4);
  if (type == DType::F32 || type == DType::Q8_0) return;
  const uint16_t half = type == DType::F16 ? f16_from_f32(x) : bf16_from_f32(x);
  std::memcpy(block + index * 2, &half, 2);
}

// The same for Q8_0's 32 values from element d on; place(d) and scale_at are where they go.
template <class Place>
void expect_block(const float* x, size_t d, size_t width, Place place, size_t scale_at, std::byte* block) {
  const size_t end = std::min(d + 32, width);
  float largest = 0.0f;
  for (size_t i = d; i < end; ++i) largest = std::max(largest, std::fabs(x[i]));
  const uint16_t scale = f16_from_f32(largest / 127.0f);
  std::memcpy(block + 32 * width + scale_at * 2, &scale, 2);
  for (size_t i = d; i < end; ++i) {
    block[place(i)] = std::byte{0};
    if (scale > 0) block[place(i)] = static_cast<std::byte>(static_cast<int8_t>(std::nearbyint(x[i] * (127.0f / largest))));
  }
}

}  // namespace

void check(const Kernel& kernel, KvStoreFn fn) {
  Rng rng(13);
  GuardedBuffer k_in(1 << 12), v_in(1 << 12), k_out(1 << 17), v_out(1 << 17);
  for (size_t n_case = 0; n_case < 1600; ++n_case) {
    const DType type = kKvTypes[n_case % 4];
    const auto width = [&] { return rng.between(1, n_case % 10 == 9 ? kMaxHeadDim : 80); };
    const bool latent = n_case % 7 < 2;
    const size_t keys = width(), values = latent ? std::min(width(), keys) : n_case % 3 == 0 ? keys : width();
    const size_t slot = rng.below(kKvPositions);
    const size_t k_bytes = kKvPositions * kv_row_bytes(type, keys), v_bytes = kKvPositions * kv_row_bytes(type, values);
    auto* k = k_in.tail_of<float>(keys);
    auto* v = v_in.tail_of<float>(values);
    const float spread = n_case % 3 == 0 ? 1e-6f : n_case % 3 == 1 ? 1.0f : 1e5f;  // subnormal halves and overflow too
    for (size_t d = 0; d < keys; ++d) k[d] = rng.normal() * spread;
    for (size_t d = 0; d < values; ++d) v[d] = n_case % 20 == 3 ? 0.0f : rng.normal() * spread;
    const KvBlock block{k_out.tail_of<std::byte>(k_bytes), v_out.tail_of<std::byte>(v_bytes)};
    std::vector<std::byte> want_k(k_bytes), want_v(v_bytes);
    for (size_t at = 0; at < k_bytes; ++at) want_k[at] = block.k[at] = static_cast<std::byte>(rng.next());
    for (size_t at = 0; at < v_bytes; ++at) want_v[at] = block.v[at] = static_cast<std::byte>(rng.next());
    const auto expect = [&](const float* x, size_t n, auto index, auto scale_index, std::byte* want) {
      for (size_t d = 0; d < n; ++d) {
        expect_element(type, x[d], index(slot, d, n), want);
        if (type != DType::Q8_0 || d % 32 != 0) continue;
        expect_block(
            x, d, n, [&](size_t i) { return index(slot, i, n); }, scale_index(slot, d, n), want);
      }
    };
    if (latent) {
      expect(k, keys, v_index, v_scale_index, want_k.data());
    } else {
      expect(k, keys, k_index, k_scale_index, want_k.data());
      expect(v, values, v_index, v_scale_index, want_v.data());
    }
    const Case here(kernel, "%s, %s%zu and %zu, slot %zu, spread %g", dtype_info(type).name, latent ? "latent " : "", keys,
                    values, slot, static_cast<double>(spread));
    fn({type, k, latent ? nullptr : v, keys, values, {block.k, latent ? nullptr : block.v}, slot});
    here.same_bytes("K", block.k, want_k.data(), k_bytes);
    here.same_bytes("V", block.v, want_v.data(), v_bytes);
    here.require(k_out.canary_intact() && v_out.canary_intact(), "wrote before its block");
  }
}

}  // namespace siskin::test
