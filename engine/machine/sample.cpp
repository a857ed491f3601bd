// Fills matrices and activations with a fixed pseudo-random sequence.
#include "engine/machine/sample.h"

#include <algorithm>

#include "formats/blocks/codec.h"

namespace siskin {
namespace {

class Uniform {  // splitmix64, to [-1, 1)
 public:
  explicit Uniform(uint64_t seed) : state_(seed) {}
  float next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return static_cast<float>(z >> 40) * 0x1p-23f - 1.0f;
  }

 private:
  uint64_t state_;
};

}  // namespace

SampleMatrix sample_matrix(DType type, size_t rows, size_t cols, uint64_t seed) {
  SampleMatrix sample;
  sample.view.type = type;
  sample.view.layout = packed_layout(type);
  sample.view.rows = rows;
  sample.view.cols = cols;
  sample.view.strip_bytes = packed_strip_bytes(type, cols);
  sample.data.reset(new (std::align_val_t{64}) std::byte[packed_bytes(type, rows, cols)]());
  sample.view.data = sample.data.get();

  Uniform uniform(seed);
  std::vector<float> values(cols);
  std::vector<std::byte> encoded(rows * row_bytes(type, cols));
  for (size_t row = 0; row < rows; ++row) {
    std::generate(values.begin(), values.end(), [&] { return uniform.next(); });
    encode_row(type, values.data(), encoded.data() + row * row_bytes(type, cols), cols);
  }
  pack_strips(type, encoded.data(), rows, cols, 0, sample.view.strips(), sample.data.get());
  return sample;
}

SampleRows sample_rows(const KernelTable& table, size_t count, size_t cols, uint64_t seed) {
  SampleRows rows;
  rows.count = count;
  rows.cols = cols;
  rows.x.resize(count * cols);
  Uniform uniform(seed);
  std::generate(rows.x.begin(), rows.x.end(), [&] { return uniform.next(); });
  if (cols % kQuantBlock != 0) return rows;
  rows.q.resize(count * cols);
  rows.scale.resize(count * cols / kQuantBlock);
  rows.sum.resize(count * cols / kQuantBlock);
  rows.half.resize(count * cols / kQuantBlock);
  table.quantize_q8(rows.x.data(), rows.x.size(), rows.q.data(), rows.scale.data(), rows.sum.data(), rows.half.data());
  return rows;
}

MatmulArgs sample_args(const SampleMatrix& matrix, size_t strip_begin, size_t strip_end, const SampleRows& rows, size_t m,
                       float* y) {
  MatmulArgs args;
  args.w = matrix.view;
  args.strip_begin = strip_begin;
  args.strip_end = strip_end;
  args.m = m;
  args.x = rows.x.data();
  args.x_stride = rows.cols;
  args.xq = rows.quantised();
  args.y = y;
  args.y_stride = (strip_end - strip_begin) * kStripRows;
  return args;
}

}  // namespace siskin
