// Cases of matvec, matmul and get_row, and the providers' GEMMs on the same shapes.
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "bench/kernels_bench/cases.h"
#include "engine/machine/sample.h"
#include "formats/check.h"
#include "kernels/provider.h"

namespace siskin::bench {
namespace {

struct Shape {
  size_t m, n, k;
  std::string text() const { return "m:" + std::to_string(m) + "/n:" + std::to_string(n) + "/k:" + std::to_string(k); }
};

// One matrix that lies in the nearer caches and one that does not; a small and a large batch.
constexpr Shape kVectorShapes[] = {{1, 512, 1024}, {1, 4096, 4096}};
constexpr Shape kBatchShapes[] = {{8, 512, 1024}, {32, 1024, 1024}, {256, 1024, 1024}};
constexpr size_t kCheckedStrips = 2;  // `ref` is slow: it answers for the first strips

struct Operands {
  SampleMatrix matrix;
  SampleRows rows;
  std::vector<float> y, expected;
};

std::shared_ptr<Operands> make_operands(DType type, const Shape& shape) {
  auto operands = std::make_shared<Operands>();
  operands->matrix = sample_matrix(type, shape.n, shape.k, 1);
  operands->rows = sample_rows(available_isas().front().complete, shape.m, shape.k, 2);
  operands->y.resize(shape.m * shape.n);
  operands->expected.resize(shape.m * kCheckedStrips * kStripRows);
  return operands;
}

// `slack` is added to the bound of an f32 dot product, for providers that round more.
bool right_as(MatmulFn ref, Operands& operands, const Shape& shape, double slack) {
  constexpr size_t kWidth = kCheckedStrips * kStripRows;
  ref(sample_args(operands.matrix, 0, kCheckedStrips, operands.rows, shape.m, operands.expected.data()));
  // Integer dots are bit-identical by contract.
  const double bound =
      activation_of(operands.matrix.view.type) == Activation::int8 && slack == 0 ? 0 : dot_bound(shape.k) + slack;
  for (size_t i = 0; i < shape.m; ++i) {
    if (!close(operands.y.data() + i * shape.n, operands.expected.data() + i * kWidth, kWidth, bound, 0)) return false;
  }
  return true;
}

Work matmul_work(const std::shared_ptr<Operands>& operands, const Shape& shape, bool int8) {
  Work work;
  const PackedMatrix& w = operands->matrix.view;
  const double activations = static_cast<double>(shape.m * shape.k) * (int8 ? 1.25 : 4);  // int8: with scale and sum per block
  work.bytes = static_cast<double>(w.strips() * w.strip_bytes) + activations + 4.0 * static_cast<double>(shape.m * shape.n);
  work.ops = 2.0 * static_cast<double>(shape.m * shape.n * shape.k);
  return work;
}

DType type_of(const std::string& kernel) {
  const DTypeInfo* info = find_dtype(kernel.substr(kernel.find('_') + 1).c_str());
  SISKIN_CHECK(info != nullptr);
  return info->type;
}

void add_matmul(const Kernel& kernel, const Shape& shape, MatmulFn fn, MatmulFn ref) {
  const DType type = type_of(kernel.name);
  add_case(kernel.title(shape.text()), [=] {
    const auto operands = make_operands(type, shape);
    const MatmulArgs args = sample_args(operands->matrix, 0, shape.n / kStripRows, operands->rows, shape.m, operands->y.data());
    Work work = matmul_work(operands, shape, activation_of(type) == Activation::int8);
    work.run = [=] { fn(args); };
    work.right = [=] { return right_as(ref, *operands, shape, 0); };
    return work;
  });
}

}  // namespace

void add_cases(const Kernel& kernel, MatmulFn fn, MatmulFn ref) {
  if (kernel.name == "matmul_any_bf16") {
    add_bf16_cases(kernel, fn, ref);
  } else if (kernel.name.starts_with("matvec")) {
    for (const Shape& shape : kVectorShapes) add_matmul(kernel, shape, fn, ref);
  } else {
    for (const Shape& shape : kBatchShapes) add_matmul(kernel, shape, fn, ref);
  }
}

void add_cases(const Kernel& kernel, GetRowFn fn, GetRowFn ref) {
  for (DType type : {DType::F32, DType::F16, DType::BF16, DType::Q8_0, DType::Q4_0}) {
    add_case(kernel.title(std::string(dtype_name(type)) + "/k:4096"), [=] {
      constexpr size_t kRows = 64, kCols = 4096;
      const auto operands = make_operands(type, {1, kRows, kCols});
      operands->y.resize(kCols);
      operands->expected.resize(kCols);
      Work work;
      work.bytes = static_cast<double>(row_bytes(type, kCols) + kCols * 4);
      work.run = [=] { fn({operands->matrix.view, 17, operands->y.data()}); };
      work.right = [=] {
        ref({operands->matrix.view, 17, operands->expected.data()});
        return std::memcmp(operands->y.data(), operands->expected.data(), kCols * 4) == 0;
      };
      return work;
    });
  }
}

void add_provider_baselines() {
  const KernelTable& ref = available_isas().front().complete;
  for (const Provider* provider : providers()) {
    for (DType type : {DType::F32, DType::F16, DType::BF16}) {
      for (const Shape& shape : kBatchShapes) {
        const GemmShape gemm_shape{type, shape.m, shape.n, shape.k};
        if (!provider->supports(gemm_shape)) continue;
        const Kernel kernel{std::string("matmul_") + dtype_name(type), provider->name()};
        add_case(kernel.title(shape.text()), [=, &ref] {
          auto prepared = provider->prepare(gemm_shape);
          const auto operands = make_operands(type, shape);
          Work work = matmul_work(operands, shape, false);
          if (!prepared) {
            work.run = [] {};
            work.right = [] { return false; };
            return work;
          }
          const std::shared_ptr<PreparedGemm> gemm = *std::move(prepared);
          const MatmulArgs args =
              sample_args(operands->matrix, 0, shape.n / kStripRows, operands->rows, shape.m, operands->y.data());
          work.run = [=] { gemm->execute(args); };
          // A bf16 GEMM sees activations as two bf16, 2^-17 apart from f32.
          const double slack = type == DType::BF16 ? 0x1p-17 * static_cast<double>(shape.k) : 0;
          work.right = [=, &ref] { return right_as(matmul_of(ref, type), *operands, shape, slack); };
          return work;
        });
      }
    }
  }
}

}  // namespace siskin::bench
