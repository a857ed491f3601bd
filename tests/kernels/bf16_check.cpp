// matmul_any_bf16 and round_bf16: every type against f64, the tile order of `ref` and `amx` bit for bit against the equation
// written out here, and the promise that splitting the rows or the batch anywhere gives the same bits.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <string_view>
#include <vector>

#include "formats/blocks/codec.h"
#include "formats/blocks/half.h"
#include "kernels/cpu.h"
#include "tests/kernels/check.h"
#include "tests/kernels/tolerance.h"

namespace siskin {
extern const KernelTable kTableAmxPlain;  // isa_amx_plain.cpp
}

namespace siskin::test {
namespace {

constexpr float kUntouched = -12345.0f;

float flushed(float x) { return std::fabs(x) < 0x1p-126f ? std::copysign(0.0f, x) : x; }
uint16_t rounded(float x) { return bf16_from_f32(flushed(x)); }

struct Problem {
  PackedMatrix w;
  std::vector<float> weights;  // [rows, padded cols], bf16 as f32, zero past cols
  std::vector<float> x;        // [m, padded cols], as the kernel shall read them
  size_t m = 0, padded = 0;
  MatmulArgs args;
};

struct Buffers {
  GuardedBuffer packed{1 << 20}, x{1 << 20}, gather{1 << 12}, y{1 << 20};
};

// `values` [rows, cols] become weights of `type`.
void set_weights(Problem& p, DType type, size_t rows, size_t cols, const float* values, Buffers& buffers) {
  p.padded = (cols + 31) / 32 * 32;
  std::vector<std::byte> file(rows * row_bytes(type, cols));
  p.weights.assign(rows * p.padded, 0.0f);
  for (size_t r = 0; r < rows; ++r) {
    encode_row(type, values + r * cols, file.data() + r * row_bytes(type, cols), cols);
    decode_row(type, file.data() + r * row_bytes(type, cols), p.weights.data() + r * p.padded, cols);
  }
  for (float& weight : p.weights) weight = f32_from_bf16(rounded(weight));
  std::byte* data = buffers.packed.tail(packed_bytes(type, rows, cols), 64);
  p.w = {data, type, packed_layout(type), rows, cols, packed_strip_bytes(type, cols), 0, 0};
  pack_strips(type, file.data(), rows, cols, 0, p.w.strips(), data);
}

// Rows of activations in the form that the engine makes; those that no gather index names are NaN.
template <class Value>
void set_rows(Problem& p, size_t m, bool gathered, Value value, Rng& rng, Buffers& buffers) {
  const size_t n_x = gathered ? m + rng.below(5) : m, cols = p.w.cols;
  const size_t stride = p.padded + 32 * rng.below(2);
  auto* xb = buffers.x.tail_of<uint16_t>((n_x - 1) * stride + p.padded);
  std::fill_n(xb, (n_x - 1) * stride + p.padded, uint16_t{0x7fc0});
  auto* gather = gathered ? buffers.gather.tail_of<uint32_t>(m) : nullptr;
  p.m = m;
  p.x.assign(m * p.padded, 0.0f);
  std::vector<bool> made(n_x, false);
  for (size_t i = 0; i < m; ++i) {
    const size_t row = gathered ? rng.below(n_x) : i;
    if (gathered) gather[i] = static_cast<uint32_t>(row);
    for (size_t k = 0; k < p.padded && !made[row]; ++k) xb[row * stride + k] = k < cols ? rounded(value()) : uint16_t{0};
    made[row] = true;
    for (size_t k = 0; k < cols; ++k) p.x[i * p.padded + k] = f32_from_bf16(xb[row * stride + k]);
  }
  p.args = {};
  p.args.w = p.w;
  p.args.m = m;
  p.args.gather = gather;
  p.args.xb = xb;
  p.args.xb_stride = stride;
}

// TDPBF16PS over 32 columns at a time, as kernels.h says it.
float tile_sum(const Problem& p, size_t i, size_t r) {
  float sum = 0.0f;
  for (size_t k = 0; k < p.padded; k += 32) {
    float parts[2] = {0.0f, 0.0f};
    for (size_t j = 0; j < 32; ++j) {
      parts[j % 2] = flushed(std::fma(p.x[i * p.padded + k + j], p.weights[r * p.padded + k + j], parts[j % 2]));
    }
    sum = flushed(sum + flushed(parts[0] + parts[1]));
  }
  return sum;
}

// Runs strips [begin, end) of the problem's rows [first, first + args.m) and copies what was written into y.
void run_range(const Case& here, MatmulFn fn, const Problem& p, MatmulArgs args, size_t first, size_t padding, Buffers& buffers,
               std::vector<float>& y) {
  const size_t first_row = args.strip_begin * kStripRows, width = std::min(args.strip_end * kStripRows, p.w.rows) - first_row;
  const size_t stride = (args.strip_end - args.strip_begin) * kStripRows + padding, n = (args.m - 1) * stride + width;
  auto* out = buffers.y.tail_of<float>(n);
  std::fill_n(out, n, kUntouched);
  args.y = out;
  args.y_stride = stride;
  fn(args);
  here.require(buffers.y.canary_intact(), "wrote before its output");
  for (size_t at = 0; at < n; ++at) {
    if (at % stride >= width) {
      here.require(out[at] == kUntouched, "wrote past the last row of W");
    } else {
      y[(first + at / stride) * p.w.rows + first_row + at % stride] = out[at];
    }
  }
}

std::vector<float> run_whole(const Case& here, MatmulFn fn, const Problem& p, size_t padding, Buffers& buffers) {
  std::vector<float> y(p.m * p.w.rows, kUntouched);
  MatmulArgs args = p.args;
  args.strip_end = p.w.strips();
  run_range(here, fn, p, args, 0, padding, buffers, y);
  return y;
}

std::vector<float> run_split(const Case& here, MatmulFn fn, const Problem& p, Rng& rng, Buffers& buffers) {
  std::vector<float> y(p.m * p.w.rows, kUntouched);
  const size_t cut_m = rng.below(p.m), cut = rng.below(p.w.strips());
  for (const auto& [begin, end] : {std::pair{size_t{0}, cut_m}, std::pair{cut_m, p.m}}) {
    if (begin == end) continue;
    MatmulArgs args = p.args;
    args.m = end - begin;
    if (args.gather != nullptr) {
      args.gather += begin;
    } else {
      args.xb += begin * args.xb_stride;
    }
    args.strip_end = cut;
    if (cut > 0) run_range(here, fn, p, args, begin, rng.below(3), buffers, y);
    args.strip_begin = cut;
    args.strip_end = p.w.strips();
    run_range(here, fn, p, args, begin, rng.below(3), buffers, y);
  }
  return y;
}

void expect(const Case& here, const Problem& p, const std::vector<float>& y, bool tiles) {
  for (size_t i = 0; i < p.m; ++i) {
    for (size_t r = 0; r < p.w.rows; ++r) {
      double want = 0.0, sum_abs = 0.0;
      for (size_t k = 0; k < p.w.cols; ++k) {
        const double term = static_cast<double>(p.x[i * p.padded + k]) * static_cast<double>(p.weights[r * p.padded + k]);
        want += term;
        sum_abs += std::fabs(term);
      }
      const size_t at = i * p.w.rows + r;
      // Two roundings more per 32 columns where tiles sum in parts; a flushed product or sum is off by less than the tiniest.
      const double tolerance = dot_tolerance(p.w.cols + p.padded / 16, sum_abs) + static_cast<double>(p.padded) * kTiniest;
      here.near(at, static_cast<double>(y[at]), want, tolerance);
      if (!tiles) continue;
      const float exact = tile_sum(p, i, r);
      here.same_bytes("the sum in the tiles' order", &y[at], &exact, sizeof(exact));
    }
  }
}

size_t random_cols(DType type, bool large, Rng& rng) {
  const size_t unit = dtype_info(type).block_elems;
  if (unit == 1) return rng.between(1, large ? 1200 : 130);
  return unit * rng.between(1, std::max<size_t>(1, (large ? 1100 : 160) / unit));
}

void check_type(const Kernel& kernel, MatmulFn fn, DType type, bool tiles) {
  Rng rng(20250301);
  Buffers buffers;
  for (size_t matrix = 0; matrix < 30; ++matrix) {
    const bool large = matrix % 10 == 9;
    const size_t rows = rng.between(1, large ? 60 : 70), cols = random_cols(type, large, rng);
    std::vector<float> values(rows * cols);
    rng.fill_normal(values.data(), values.size());
    Problem p;
    set_weights(p, type, rows, cols, values.data(), buffers);
    for (size_t n = 0; n < 5; ++n) {
      // More than the 128 rows that are copied at a time, more than two tiles of them, or few.
      const size_t m = n == 0 && large ? rng.between(120, 150) : rng.between(1, n == 1 ? 70 : 20);
      const bool gathered = rng.below(2) == 0;
      set_rows(
          p, m, gathered, [&] { return rng.normal(); }, rng, buffers);
      const Case here(kernel, "%s, rows %zu, cols %zu, m %zu%s, x stride %zu", dtype_name(type), rows, cols, m,
                      gathered ? " gathered" : "", p.args.xb_stride);
      const std::vector<float> y = run_whole(here, fn, p, rng.below(4), buffers);
      expect(here, p, y, tiles);
      const std::vector<float> split = run_split(here, fn, p, rng, buffers);
      here.same_bytes("the result in pieces", split.data(), y.data(), y.size() * sizeof(float));
    }
  }
}

// Magnitudes from denormal to where sums overflow: what the instructions flush, round and saturate.
void check_range(const Kernel& kernel, MatmulFn fn, bool tiles) {
  Rng rng(77);
  Buffers buffers;
  const auto wild = [&rng](int low, int high) {
    return std::ldexp(rng.normal(), static_cast<int>(rng.between(0, static_cast<size_t>(high - low))) + low);
  };
  for (size_t n = 0; n < 300; ++n) {
    const size_t rows = rng.between(1, 33), cols = rng.between(1, 90);
    const int centre = n % 3 == 0 ? -64 : n % 3 == 1 ? 0 : 40;  // products around 2^-128, 1, 2^80
    std::vector<float> values(rows * cols);
    for (float& value : values) value = wild(centre - 20, centre + 20);
    Problem p;
    set_weights(p, DType::BF16, rows, cols, values.data(), buffers);
    set_rows(
        p, rng.between(1, 40), false, [&] { return wild(centre - 20, centre + 20); }, rng, buffers);
    const Case here(kernel, "exponents around %d, rows %zu, cols %zu, m %zu", 2 * centre, rows, cols, p.m);
    expect(here, p, run_whole(here, fn, p, 0, buffers), tiles);
  }
}

}  // namespace

void check_bf16(const Kernel& kernel, MatmulFn fn) {
  const bool ref = fn == available_isas().front().complete.matmul_any_bf16;
  const bool tiles = ref || std::strncmp(kernel.isa->name, "amx", 3) == 0;
  for (const DType type : built_types()) {
    // Tiles in plain C++ are slow: sets that have nothing else show one type.
    if (!ref || kernel.isa == &available_isas().front() || type == DType::Q8_0) check_type(kernel, fn, type, tiles);
  }
  check_range(kernel, fn, tiles);
}

void check(const Kernel& kernel, RoundFn fn) {
  Rng rng(5);
  GuardedBuffer in(1 << 12), out(1 << 12);
  for (size_t n_case = 0; n_case < 1500; ++n_case) {
    const size_t n = rng.between(1, 200), padded = (n + 31) / 32 * 32;
    auto* x = in.tail_of<float>(n);
    for (size_t k = 0; k < n; ++k) {
      const auto bits = static_cast<uint32_t>(rng.next());  // any float there is, NaN and denormals too
      std::memcpy(x + k, &bits, sizeof(bits));
      if (n_case % 2 == 0) x[k] = rng.normal();
    }
    std::vector<uint16_t> want(padded, 0);
    for (size_t k = 0; k < n; ++k) want[k] = rounded(x[k]);
    auto* halves = out.tail_of<uint16_t>(padded);
    const Case here(kernel, "%zu values, case %zu", n, n_case);
    fn(x, n, halves);
    here.same_bytes("the row", halves, want.data(), padded * sizeof(uint16_t));
    here.require(out.canary_intact(), "wrote before its output");
  }
}

TEST_CASE("AMX bodies on plain tiles", "[amx]") {
#if defined(__x86_64__)
  if (!cpu_features().avx512bf16) {
    WARN("skipped: the unpacking for tiles needs AVX-512 BF16");
    return;
  }
  const Isa isa{"amx on plain tiles", &kTableAmxPlain, available_isas().back().complete};
  check_bf16({"matmul_any_bf16", &isa}, kTableAmxPlain.matmul_any_bf16);
  check({"round_bf16", &isa}, kTableAmxPlain.round_bf16);
#endif
}

}  // namespace siskin::test
