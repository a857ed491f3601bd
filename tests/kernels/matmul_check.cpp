// matvec and matmul: packed weights of every type against f64, integer types also bit for bit against `ref`, and the promise
// that splitting the rows or the batch anywhere gives the same bits.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string_view>
#include <vector>

#include "formats/blocks/codec.h"
#include "formats/check.h"
#include "formats/packed/quant_strips.h"
#include "kernels/isa_tables.h"
#include "tests/kernels/check.h"
#include "tests/kernels/tolerance.h"

namespace siskin::test {
namespace {

constexpr size_t kMatrices = 90;  // per kernel
constexpr size_t kCasesPerMatrix = 10;

DType type_of(std::string_view kernel) {
  const DTypeInfo* info = find_dtype(kernel.substr(kernel.find('_') + 1).data());
  SISKIN_CHECK(info != nullptr);
  return info->type;
}

// Mostly few columns; `large` ones are enough for unrolled loops to turn many times, and for rows of whole blocks to be cut.
size_t random_cols(DType type, bool large, Rng& rng) {
  const size_t unit = dtype_info(type).block_elems;
  if (unit == 1) return rng.between(1, large ? 700 : 80);
  if (unit == 128) return unit * rng.between(1, large ? 9 : 2);  // more than the columns that are copied at a time
  const size_t most = unit == 256 ? (large ? 1536 : 256) : (large ? 768 : 160);
  return unit * rng.between(1, most / unit);
}

struct Buffers {
  GuardedBuffer packed{1 << 20}, x{1 << 20}, q{1 << 18}, scale{1 << 16}, sum{1 << 16}, half{1 << 16}, gather{1 << 12},
      y{1 << 20};
};

// Numbers that round to the largest codes, of one sign or of both, now and then: the sums of their products are the ones that
// overflow what is too narrow. Else numbers as weights and activations have them.
void fill_numbers(float* x, size_t n, Rng& rng) {
  if (rng.below(8) != 0) return rng.fill_normal(x, n);
  const size_t signs = rng.below(3);
  for (size_t i = 0; i < n; ++i) x[i] = signs == 0 || (signs == 1 && rng.below(2) == 0) ? -1.0f : 1.0f;
}

struct Weights {
  DType type;
  size_t rows, cols;
  std::vector<float> values;  // [rows, cols], as decoded
  PackedMatrix packed;
  std::vector<PackedBlock> blocks;  // row after row, for types with int8 activations
};

// Makes every code of a row of int8 -128.
void lower_codes(DType type, std::byte* row, size_t cols) {
  if (type == DType::W8A8) std::memset(row + sizeof(float), 0x80, cols);
  if (type != DType::Q8_0) return;
  const size_t block_bytes = dtype_info(DType::Q8_0).block_bytes;
  for (size_t b = 0; b < cols / kQuantBlock; ++b) std::memset(row + b * block_bytes + sizeof(uint16_t), 0x80, kQuantBlock);
}

Weights make_weights(DType type, size_t rows, size_t cols, Rng& rng, Buffers& buffers) {
  Weights w{type, rows, cols, std::vector<float>(rows * cols), {}, {}};
  std::vector<float> raw(rows * cols);
  fill_numbers(raw.data(), raw.size(), rng);
  const bool of_int8 = type == DType::Q8_0 || type == DType::W8A8;
  const bool lowest = of_int8 && rng.below(16) == 0;  // -128: no encoder writes it, a file may
  std::vector<std::byte> file(rows * row_bytes(type, cols));
  for (size_t r = 0; r < rows; ++r) {
    encode_row(type, raw.data() + r * cols, file.data() + r * row_bytes(type, cols), cols);
    if (lowest) lower_codes(type, file.data() + r * row_bytes(type, cols), cols);
    decode_row(type, file.data() + r * row_bytes(type, cols), w.values.data() + r * cols, cols);
  }
  std::byte* data = buffers.packed.tail(packed_bytes(type, rows, cols), 64);
  w.packed = {data, type, packed_layout(type), rows, cols, packed_strip_bytes(type, cols), 0, 0};
  pack_strips(type, file.data(), rows, cols, 0, w.packed.strips(), data);
  if (activation_of(type) == Activation::f32) return w;
  const size_t blocks_of_row = cols / dtype_info(type).block_elems;
  w.blocks.resize(rows * blocks_of_row);
  for (size_t b = 0; b < w.blocks.size(); ++b) {
    const size_t row = b / blocks_of_row;
    const std::byte* strip = data + row / kStripRows * w.packed.strip_bytes;
    read_packed_block(type, strip, row % kStripRows, b % blocks_of_row, &w.blocks[b]);
  }
  return w;
}

struct Inputs {
  size_t m;       // activation rows that the kernel multiplies
  size_t n_x;     // activation rows that exist
  size_t stride;  // of x
  bool gathered;
  MatmulArgs args;
};

// Activations, in the form that the weights' type reads; rows that no gather index names are NaN.
Inputs make_inputs(const Weights& w, size_t m, Rng& rng, Buffers& buffers) {
  Inputs in{};
  in.m = m;
  in.gathered = rng.below(2) == 0;
  in.n_x = in.gathered ? m + rng.below(5) : m;
  in.stride = w.cols + (rng.below(2) == 0 ? 0 : rng.below(9));
  in.args.w = w.packed;
  in.args.m = m;
  std::vector<bool> used(in.n_x, !in.gathered);
  if (in.gathered) {
    auto* gather = buffers.gather.tail_of<uint32_t>(m);
    for (size_t i = 0; i < m; ++i) {
      gather[i] = static_cast<uint32_t>(rng.below(in.n_x));
      used[gather[i]] = true;
    }
    in.args.gather = gather;
  }
  auto* x = buffers.x.tail_of<float>((in.n_x - 1) * in.stride + w.cols);
  for (size_t i = 0; i < in.n_x; ++i) fill_numbers(x + i * in.stride, w.cols, rng);
  if (activation_of(w.type) == Activation::int8) {
    auto* q = buffers.q.tail_of<int8_t>(in.n_x * w.cols);
    auto* scale = buffers.scale.tail_of<float>(in.n_x * w.cols / kQuantBlock);
    auto* sum = buffers.sum.tail_of<int32_t>(in.n_x * w.cols / kQuantBlock);
    auto* half = buffers.half.tail_of<int32_t>(in.n_x * w.cols / kQuantBlock);
    for (size_t i = 0; i < in.n_x; ++i) {
      const size_t block = i * w.cols / kQuantBlock;
      kTableRef.quantize_q8(x + i * in.stride, w.cols, q + i * w.cols, scale + block, sum + block, half + block);
      if (!used[i]) scale[block] = std::numeric_limits<float>::quiet_NaN();
    }
    in.args.xq = {q, scale, sum, half};
  } else {
    for (size_t i = 0; i < in.n_x; ++i) {
      if (!used[i]) x[i * in.stride] = std::numeric_limits<float>::quiet_NaN();
    }
    in.args.x = x;
    in.args.x_stride = in.stride;
  }
  return in;
}

// y in f64 from the whole numbers of the contract, each term of which is rounded on its own; the same from the decoded weights
// must agree as far as decoding rounds them.
void expect_int8_output(const Case& here, const Weights& w, const Inputs& in, size_t i, size_t r, float got) {
  const size_t row = in.gathered ? in.args.gather[i] : i;
  const int8_t* q = in.args.xq.q + row * w.cols;
  const float* dx = in.args.xq.scale + row * w.cols / kQuantBlock;
  double want = 0.0, sum_abs = 0.0, decoded = 0.0, decoding = 0.0;
  size_t terms = 0;
  const auto add = [&](double term) {
    want += term;
    sum_abs += std::fabs(term);
    ++terms;
  };
  for (size_t k = 0; k < w.cols;) {
    const PackedBlock& block = w.blocks[(r * w.cols + k) / w.blocks[0].columns];
    const size_t width = kQuantBlock / block.scales, at = k % block.columns;
    const double x = static_cast<double>(dx[k / kQuantBlock]),
                 minimum = block.minima ? static_cast<double>(block.minimum[at / 16]) : 0.0;
    int32_t dot = 0, sum = 0;
    for (const size_t begin = k; k < begin + width; ++k) {
      dot += block.level[k % block.columns] * q[k];
      sum += q[k];
      const double weight = static_cast<double>(w.values[r * w.cols + k]), xq = x * static_cast<double>(q[k]);
      decoded += weight * xq;
      decoding += 2.0 * kUnit * (std::fabs(weight) + std::fabs(minimum)) * std::fabs(xq);
    }
    add(static_cast<double>(block.scale[at / 16]) * x * static_cast<double>(dot));
    if (block.minima) add(-minimum * x * static_cast<double>(sum));
  }
  here.near(i * w.rows + r, want, decoded, decoding);
  here.near(i * w.rows + r, static_cast<double>(got), want, block_dot_tolerance(terms, sum_abs));
}

// y in f64 and its tolerance, from the decoded weights.
void expect_output(const Case& here, const Weights& w, const Inputs& in, size_t i, size_t r, float got) {
  if (activation_of(w.type) == Activation::int8) return expect_int8_output(here, w, in, i, r, got);
  const size_t row = in.gathered ? in.args.gather[i] : i;
  const float* weights = w.values.data() + r * w.cols;
  double want = 0.0;
  double sum_abs = 0.0;
  const float* x = in.args.x + row * in.stride;
  for (size_t k = 0; k < w.cols; ++k) {
    const double term = static_cast<double>(weights[k]) * static_cast<double>(x[k]);
    want += term;
    sum_abs += std::fabs(term);
  }
  here.near(i * w.rows + r, static_cast<double>(got), want, dot_tolerance(w.cols, sum_abs));
}

constexpr float kUntouched = -12345.0f;

// Runs one strip range into a strided output and copies what it wrote into y[m, rows]; anything written elsewhere fails.
void run_range(const Case& here, MatmulFn fn, const Weights& w, Inputs& in, size_t begin, size_t end, size_t padding,
               Buffers& buffers, std::vector<float>& y) {
  const size_t first = begin * kStripRows;
  const size_t width = std::min(end * kStripRows, w.rows) - first;
  const size_t stride = (end - begin) * kStripRows + padding;
  const size_t n = (in.args.m - 1) * stride + width;
  auto* out = buffers.y.tail_of<float>(n);
  std::fill_n(out, n, kUntouched);
  in.args.strip_begin = begin;
  in.args.strip_end = end;
  in.args.y = out;
  in.args.y_stride = stride;
  fn(in.args);
  here.require(buffers.y.canary_intact(), "wrote before its output");
  for (size_t i = 0; i < in.args.m; ++i) {
    for (size_t c = 0; c < stride && i * stride + c < n; ++c) {
      if (c < width) {
        y[i * w.rows + first + c] = out[i * stride + c];
      } else {
        here.require(out[i * stride + c] == kUntouched, "wrote past the last row of W");
      }
    }
  }
}

// The same product in pieces: strips cut at one place, and (matmul) the batch cut at one place.
std::vector<float> run_split(const Case& here, MatmulFn fn, const Weights& w, const Inputs& whole, Rng& rng, Buffers& buffers) {
  std::vector<float> y(whole.m * w.rows, kUntouched);
  const size_t cut_m = rng.below(whole.m);
  for (const auto& [m_begin, m_end] : {std::pair{size_t{0}, cut_m}, std::pair{cut_m, whole.m}}) {
    if (m_begin == m_end) continue;
    Inputs part = whole;
    part.args.m = m_end - m_begin;
    const size_t n_blocks = w.cols / kQuantBlock;
    if (whole.gathered) {
      part.args.gather += m_begin;
    } else if (part.args.x != nullptr) {
      part.args.x += m_begin * part.stride;
    } else {
      part.args.xq = {part.args.xq.q + m_begin * w.cols, part.args.xq.scale + m_begin * n_blocks,
                      part.args.xq.sum + m_begin * n_blocks, part.args.xq.half + m_begin * n_blocks};
    }
    std::vector<float> piece(part.args.m * w.rows, kUntouched);
    const size_t cut = rng.below(w.packed.strips());
    if (cut > 0) run_range(here, fn, w, part, 0, cut, rng.below(3), buffers, piece);
    run_range(here, fn, w, part, cut, w.packed.strips(), rng.below(3), buffers, piece);
    std::copy(piece.begin(), piece.end(), y.begin() + static_cast<ptrdiff_t>(m_begin * w.rows));
  }
  return y;
}

}  // namespace

void check(const Kernel& kernel, MatmulFn fn) {
  if (kernel.name == std::string_view("matmul_any_bf16")) return check_bf16(kernel, fn);
  const DType type = type_of(kernel.name);
  const bool batch = std::string_view(kernel.name).starts_with("matmul");
  const MatmulFn ref = batch ? matmul_of(kTableRef, type) : matvec_of(kTableRef, type);
  Rng rng(20250101);
  Buffers buffers;
  for (size_t matrix = 0; matrix < kMatrices; ++matrix) {
    // Mostly small and odd; every tenth long enough that vector loops run their unrolled bodies many times.
    const bool large = matrix % 10 == 9;
    const size_t rows = rng.between(1, large ? 200 : 70);
    const size_t cols = random_cols(type, large, rng);
    const Weights w = make_weights(type, rows, cols, rng, buffers);
    for (size_t n = 0; n < kCasesPerMatrix; ++n) {
      const size_t m = batch ? rng.between(1, n == 0 ? 40 : 14) : 1;
      Inputs in = make_inputs(w, m, rng, buffers);
      const Case here(kernel, "%s, rows %zu, cols %zu, m %zu%s, x stride %zu", dtype_name(type), rows, cols, m,
                      in.gathered ? " gathered" : "", in.stride);
      std::vector<float> y(m * rows, kUntouched);
      run_range(here, fn, w, in, 0, w.packed.strips(), rng.below(4), buffers, y);
      for (size_t i = 0; i < m; ++i) {
        for (size_t r = 0; r < rows; ++r) expect_output(here, w, in, i, r, y[i * rows + r]);
      }
      if (activation_of(type) == Activation::int8 && fn != ref) {
        std::vector<float> exact(m * rows, kUntouched);
        run_range(here, ref, w, in, 0, w.packed.strips(), 0, buffers, exact);
        here.same_bytes("the result and ref's", y.data(), exact.data(), y.size() * sizeof(float));
      }
      const std::vector<float> split = run_split(here, fn, w, in, rng, buffers);
      here.same_bytes("the result in pieces", split.data(), y.data(), y.size() * sizeof(float));
    }
  }
}

}  // namespace siskin::test
