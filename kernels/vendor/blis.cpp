// BLIS as a provider: f32 GEMM on a row-major panel, with one thread whichever threading BLIS was built with.
#include <blis.h>

#include <new>
#include <vector>

#include "formats/check.h"
#include "kernels/vendor/panel.h"
#include "kernels/vendor/vendors.h"

namespace siskin {
namespace {

class BlisGemm final : public PreparedGemm {
 public:
  explicit BlisGemm(const GemmShape& shape) : shape_(shape), panel_(shape.n * shape.k), rows_(shape.m * shape.k) {
    bli_rntm_init(&runtime_);
    bli_rntm_set_num_threads(1, &runtime_);
  }

  void execute(const MatmulArgs& args) noexcept override {
    const size_t n = (args.strip_end - args.strip_begin) * kStripRows;
    SISKIN_CHECK(args.x != nullptr && args.m <= shape_.m && n <= shape_.n && args.w.cols == shape_.k);
    widen_strips(args.w, args.strip_begin, args.strip_end, {panel_.data(), kStripRows, n});
    const float* x = args.x;
    size_t x_stride = args.x_stride;
    if (args.gather != nullptr) {
      gather_rows(args, rows_.data(), shape_.k);
      x = rows_.data();
      x_stride = shape_.k;
    }
    multiply(args.m, real_rows(args), x, x_stride, n, args.y, args.y_stride);
  }

  // BLIS takes its packing buffers from the system at the first call of a size and keeps them: that call is made here.
  void warm_up() {
    std::vector<float> y(shape_.m * shape_.n);
    multiply(shape_.m, shape_.n, rows_.data(), shape_.k, shape_.n, y.data(), shape_.n);
  }

 private:
  void multiply(size_t m, size_t n, const float* x, size_t x_stride, size_t panel_stride, float* y, size_t y_stride) {
    float one = 1, zero = 0;
    bli_sgemm_ex(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, static_cast<dim_t>(m), static_cast<dim_t>(n),
                 static_cast<dim_t>(shape_.k), &one, const_cast<float*>(x), static_cast<inc_t>(x_stride), 1, panel_.data(),
                 static_cast<inc_t>(panel_stride), 1, &zero, y, static_cast<inc_t>(y_stride), 1, nullptr, &runtime_);
  }

  GemmShape shape_;
  std::vector<float> panel_;  // [k, n] of the call
  std::vector<float> rows_;   // gathered activations
  rntm_t runtime_;
};

class BlisProvider final : public Provider {
 public:
  const char* name() const override { return "blis"; }
  const char* version() const override { return bli_info_get_version_str(); }

  bool supports(const GemmShape& shape) const override {
    switch (shape.weights) {
      case DType::F32:
      case DType::F16:
      case DType::BF16:
        return shape.m > 0 && shape.n > 0 && shape.k > 0;
      case DType::Q8_0:
      case DType::Q4_0:
        return shape.m > 0 && shape.n > 0 && shape.k > 0 && shape.k % kQuantBlock == 0;
      default:
        return false;
    }
  }

  Result<std::unique_ptr<PreparedGemm>> prepare(const GemmShape& shape) const override {
    if (!supports(shape)) return Error{ErrorCode::unsupported, "blis: no such matmul"};
    try {
      auto gemm = std::make_unique<BlisGemm>(shape);
      gemm->warm_up();
      return std::unique_ptr<PreparedGemm>(std::move(gemm));
    } catch (const std::bad_alloc&) {
      return Error{ErrorCode::out_of_memory, "blis: no memory for a panel"};
    }
  }
};

}  // namespace

const Provider& blis_provider() {
  static const BlisProvider provider;
  return provider;
}

}  // namespace siskin
