// Cases of matmul_any_bf16 on some types, and of rounding activations to bf16.
#include <memory>
#include <vector>

#include "bench/kernels_bench/cases.h"
#include "engine/machine/sample.h"

namespace siskin::bench {
namespace {

struct Shape {
  size_t m, n, k;
};
// A batch of few rows and two prompts' worth, on a matrix of one task's strips and on one that leaves the nearer caches.
constexpr Shape kShapes[] = {{16, 128, 2048}, {64, 128, 2048}, {512, 128, 2048}, {512, 1024, 1024}};
constexpr size_t kCheckedStrips = 2;  // `ref` is slow: it answers for the first strips

struct Operands {
  SampleMatrix matrix;
  std::vector<uint16_t> rows;
  std::vector<float> y, expected;
};

std::shared_ptr<Operands> make_operands(DType type, const Shape& shape) {
  const KernelTable& ref = available_isas().front().complete;
  auto operands = std::make_shared<Operands>();
  operands->matrix = sample_matrix(type, shape.n, shape.k, 1);
  operands->rows.resize(shape.m * shape.k);
  const SampleRows rows = sample_rows(ref, shape.m, shape.k, 2);
  for (size_t i = 0; i < shape.m; ++i)
    ref.round_bf16(rows.x.data() + i * shape.k, shape.k, operands->rows.data() + i * shape.k);
  operands->y.resize(shape.m * shape.n);
  operands->expected.resize(shape.m * kCheckedStrips * kStripRows);
  return operands;
}

MatmulArgs args_of(const Operands& operands, const Shape& shape, size_t strips, float* y) {
  MatmulArgs args;
  args.w = operands.matrix.view;
  args.strip_end = strips;
  args.m = shape.m;
  args.xb = operands.rows.data();
  args.xb_stride = shape.k;
  args.y = y;
  args.y_stride = strips * kStripRows;
  return args;
}

bool right_as(MatmulFn ref, Operands& operands, const Shape& shape) {
  constexpr size_t kWidth = kCheckedStrips * kStripRows;
  ref(args_of(operands, shape, kCheckedStrips, operands.expected.data()));
  for (size_t i = 0; i < shape.m; ++i) {
    if (!close(operands.y.data() + i * shape.n, operands.expected.data() + i * kWidth, kWidth, dot_bound(shape.k), 0))
      return false;
  }
  return true;
}

}  // namespace

void add_bf16_cases(const Kernel& kernel, MatmulFn fn, MatmulFn ref) {
  for (const DType type : {DType::F16, DType::BF16, DType::Q8_0, DType::Q4_0}) {
    for (const Shape& shape : kShapes) {
      const std::string text = std::string(dtype_name(type)) + "/m:" + std::to_string(shape.m) +
                               "/n:" + std::to_string(shape.n) + "/k:" + std::to_string(shape.k);
      add_case(kernel.title(text), [=] {
        const auto operands = make_operands(type, shape);
        const MatmulArgs args = args_of(*operands, shape, shape.n / kStripRows, operands->y.data());
        Work work;
        work.bytes =
            static_cast<double>(args.w.strips() * args.w.strip_bytes + operands->rows.size() * 2 + operands->y.size() * 4);
        work.ops = 2.0 * static_cast<double>(shape.m * shape.n * shape.k);
        work.run = [=] { fn(args); };
        work.right = [=] { return right_as(ref, *operands, shape); };
        return work;
      });
    }
  }
}

void add_cases(const Kernel& kernel, RoundFn fn, RoundFn ref) {
  add_case(kernel.title("k:4096"), [=] {
    constexpr size_t kCols = 4096;
    const auto x = std::make_shared<SampleRows>(sample_rows(available_isas().front().complete, 1, kCols, 1));
    const auto got = std::make_shared<std::vector<uint16_t>>(kCols);
    Work work;
    work.bytes = kCols * 6;
    work.run = [=] { fn(x->x.data(), kCols, got->data()); };
    work.right = [=] {
      std::vector<uint16_t> want(kCols);
      ref(x->x.data(), kCols, want.data());
      return *got == want;
    };
    return work;
  });
}

}  // namespace siskin::bench
