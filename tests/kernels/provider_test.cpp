// Every provider of this build against the same equation in f64, on shapes that fill panels and shapes that do not.
#include "kernels/provider.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "formats/blocks/codec.h"

using namespace siskin;

namespace {

constexpr float kUntouched = -12345.0f;

// A packed matrix, its decoded rows, and activations.
struct Problem {
  Problem(DType type, size_t rows, size_t cols, size_t x_rows, size_t x_stride) : stride(x_stride) {
    std::mt19937 random(static_cast<uint32_t>(rows * 31 + cols));
    const auto uniform = [&] { return static_cast<float>(random() >> 8) * 0x1p-23f - 1.0f; };
    std::vector<std::byte> encoded(rows * row_bytes(type, cols));
    decoded.resize(rows * cols);
    for (size_t r = 0; r < rows; ++r) {
      float* row = decoded.data() + r * cols;
      for (size_t k = 0; k < cols; ++k) row[k] = uniform();
      encode_row(type, row, encoded.data() + r * row_bytes(type, cols), cols);
      decode_row(type, encoded.data() + r * row_bytes(type, cols), row, cols);
    }
    w.type = type;
    w.layout = packed_layout(type);
    w.rows = rows;
    w.cols = cols;
    w.strip_bytes = packed_strip_bytes(type, cols);
    packed.resize(packed_bytes(type, rows, cols) / sizeof(Line) + 1);
    w.data = packed.front().bytes;
    pack_strips(type, encoded.data(), rows, cols, 0, w.strips(), packed.front().bytes);
    x.resize(x_rows * stride);
    for (float& value : x) value = uniform();
  }

  struct alignas(64) Line {
    std::byte bytes[64];
  };
  PackedMatrix w;
  std::vector<Line> packed;
  std::vector<float> decoded, x;
  size_t stride;
};

// Runs `gemm` on strips [begin, end) and m rows and checks every output, and that nothing beyond is written.
void check_call(PreparedGemm& gemm, const Problem& problem, size_t begin, size_t end, size_t m,
                const std::vector<uint32_t>& gather) {
  const size_t width = (end - begin) * kStripRows;
  const size_t y_stride = width + 3;
  std::vector<float> y(m * y_stride, kUntouched);
  MatmulArgs args;
  args.w = problem.w;
  args.strip_begin = begin;
  args.strip_end = end;
  args.m = m;
  args.gather = gather.empty() ? nullptr : gather.data();
  args.x = problem.x.data();
  args.x_stride = problem.stride;
  args.y = y.data();
  args.y_stride = y_stride;
  gemm.execute(args);

  const size_t cols = problem.w.cols;
  for (size_t i = 0; i < m; ++i) {
    const float* x = problem.x.data() + (gather.empty() ? i : gather[i]) * problem.stride;
    for (size_t r = 0; r < y_stride; ++r) {
      const size_t row = begin * kStripRows + r;
      const float got = y[i * y_stride + r];
      if (r >= width || row >= problem.w.rows) {
        REQUIRE(got == kUntouched);
        continue;
      }
      double want = 0, size = 0;
      for (size_t k = 0; k < cols; ++k) {
        const double product = static_cast<double>(problem.decoded[row * cols + k]) * static_cast<double>(x[k]);
        want += product;
        size += std::fabs(product);
      }
      // f32 in any order errs by k*2^-24 of the sum of absolute products; activations split in two bf16 add 2^-17 of it.
      const double split = problem.w.type == DType::BF16 ? 0x1p-17 : 0;
      const double allowed = (static_cast<double>(cols + 2) * 0x1p-24 + split) * size;
      INFO("row " << i << ", output " << row << ": got " << got << ", want " << want);
      REQUIRE(std::fabs(got - want) <= allowed);
    }
  }
}

}  // namespace

TEST_CASE("providers multiply as the contract says", "[provider]") {
  if (providers().empty()) std::puts("skipped: this build has no provider");
  for (const Provider* provider : providers()) {
    CHECK(std::strlen(provider->version()) > 0);
    for (DType type : {DType::F32, DType::F16, DType::BF16, DType::Q8_0, DType::Q4_0}) {
      for (size_t cols : {size_t{32}, size_t{96}, size_t{512}}) {
        for (size_t m : {size_t{1}, size_t{4}, size_t{7}, size_t{33}}) {
          INFO(provider->name() << " " << dtype_name(type) << " m " << m << " k " << cols);
          constexpr size_t kPanel = 48;
          const Problem problem(type, 2 * kPanel + 21, cols, m, cols);
          const GemmShape shape{type, m, kPanel, cols};
          REQUIRE(provider->supports(shape));
          auto gemm = provider->prepare(shape);
          REQUIRE(gemm);
          check_call(**gemm, problem, 0, 3, m, {});
          check_call(**gemm, problem, 3, 6, m, {});
          check_call(**gemm, problem, 6, 8, m, {});            // fewer strips than prepared, the last one padded
          check_call(**gemm, problem, 0, 3, m, {});            // and again from the start
          check_call(**gemm, problem, 1, 2, (m + 1) / 2, {});  // fewer rows
        }
      }
    }
  }
}

TEST_CASE("providers gather rows, and take columns that no block divides", "[provider]") {
  for (const Provider* provider : providers()) {
    for (DType type : {DType::F32, DType::F16, DType::BF16}) {
      for (size_t cols : {size_t{6}, size_t{50}, size_t{130}}) {
        INFO(provider->name() << " " << dtype_name(type) << " k " << cols);
        const Problem problem(type, 37, cols, 9, cols + 5);
        auto gemm = provider->prepare({type, 6, 48, cols});
        REQUIRE(gemm);
        check_call(**gemm, problem, 0, 3, 6, {8, 0, 3, 3, 7, 1});
        check_call(**gemm, problem, 0, 3, 6, {});
        check_call(**gemm, problem, 2, 3, 2, {4, 8});
      }
    }
  }
}

TEST_CASE("providers start no threads of their own", "[provider]") {
  const auto threads = [] {
    std::ifstream status("/proc/self/status");
    std::string line;
    while (std::getline(status, line)) {
      if (line.starts_with("Threads:")) return line;
    }
    return std::string();
  };
  const std::string before = threads();
  REQUIRE_FALSE(before.empty());
  for (const Provider* provider : providers()) {
    // Large enough that either library would share it out.
    const Problem problem(DType::F32, 256, 512, 256, 512);
    auto gemm = provider->prepare({DType::F32, 256, 256, 512});
    REQUIRE(gemm);
    check_call(**gemm, problem, 0, 16, 256, {});
    CHECK(threads() == before);
  }
}

TEST_CASE("providers run on several threads at once", "[provider]") {
  for (const Provider* provider : providers()) {
    const Problem problem(DType::F16, 64, 256, 32, 256);
    std::vector<std::vector<float>> results(3, std::vector<float>(32 * 64));
    {
      std::vector<std::jthread> team;
      for (auto& y : results) {
        team.emplace_back([&] {
          auto gemm = provider->prepare({DType::F16, 32, 64, 256});
          if (!gemm) return;
          for (int i = 0; i < 20; ++i) {
            MatmulArgs args;
            args.w = problem.w;
            args.strip_end = 4;
            args.m = 32;
            args.x = problem.x.data();
            args.x_stride = problem.stride;
            args.y = y.data();
            args.y_stride = 64;
            (*gemm)->execute(args);
          }
        });
      }
    }
    CHECK(results[0][0] != 0);
    CHECK(results[1] == results[0]);
    CHECK(results[2] == results[0]);
  }
}

TEST_CASE("what a provider cannot do is an error, not a crash", "[provider]") {
  for (const Provider* provider : providers()) {
    for (const GemmShape& shape :
         {GemmShape{DType::I8, 1, 16, 32}, GemmShape{DType::F32, 0, 16, 32}, GemmShape{DType::Q4_0, 1, 16, 33}}) {
      CHECK_FALSE(provider->supports(shape));
      const auto refused = provider->prepare(shape);
      REQUIRE_FALSE(refused);
      CHECK(refused.error().code == ErrorCode::unsupported);
      CHECK(refused.error().message.find(provider->name()) == 0);
    }
  }
}
