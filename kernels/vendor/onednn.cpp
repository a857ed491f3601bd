// oneDNN as a provider: f32 matmul, and bf16 matmul where the CPU multiplies bf16. Our strips of 16 rows are one of its own
// weight formats (BA16a16b, and BA16a16b2a for bf16): for few activation rows, F32 and BF16 panels are read where they lie.
#include <algorithm>
#include <array>
#include <cstring>
#include <dnnl.hpp>
#include <new>
#include <string>
#include <vector>

#include "formats/check.h"
#include "kernels/cpu.h"
#include "kernels/vendor/bf16_split.h"
#include "kernels/vendor/one_thread.h"
#include "kernels/vendor/panel.h"
#include "kernels/vendor/vendors.h"

namespace siskin {
namespace {

using dnnl::memory;

const dnnl::engine& cpu_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::matmul::primitive_desc describe(const memory::desc& x, const memory::desc& w, const memory::desc& y) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
#if DNNL_VERSION_MAJOR >= 3
  return {cpu_engine(), x, w, y, attributes};
#else
  return {dnnl::matmul::desc(x, w, y), attributes, cpu_engine()};
#endif
}

// Weight rows that lie side by side for each k. Blocks of 16 are ours and need no copy; wider ones read each activation less
// often and are up to twice as fast (measured on Zen 4: 55 against 116 GFLOP/s at m 32, k 1024; equal at m 8).
constexpr size_t kRowsInPlace = 8;
size_t panel_block(size_t rows, size_t n) {
  if (rows <= kRowsInPlace) return kStripRows;
  for (size_t block : {64u, 48u, 32u}) {
    if (n % block == 0) return block;
  }
  return kStripRows;
}

memory::format_tag panel_tag(size_t block, bool bf16) {
  using Tag = memory::format_tag;
  switch (block) {
    case 64:
      return bf16 ? Tag::BA16a64b2a : Tag::BA16a64b;
    case 48:
      return bf16 ? Tag::BA16a48b2a : Tag::BA16a48b;
    case 32:
      return bf16 ? Tag::BA16a32b2a : Tag::BA16a32b;
    default:
      return bf16 ? Tag::BA16a16b2a : Tag::BA16a16b;
  }
}

bool multiplies_bf16() { return cpu_features().avx512bf16 || cpu_features().amx_bf16; }

struct Buffer {  // 64-byte aligned, zeroed, sized once
  explicit Buffer(size_t bytes) : data(new (std::align_val_t{64}) std::byte[bytes]()) {}
  struct Free {
    void operator()(std::byte* bytes) const { ::operator delete[](bytes, std::align_val_t{64}); }
  };
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data.get());
  }
  std::unique_ptr<std::byte[], Free> data;
};

// Throws dnnl::error and std::bad_alloc from its constructor alone.
class OnednnGemm final : public PreparedGemm {
 public:
  OnednnGemm(const GemmShape& shape, bool bf16)
      : shape_(shape),
        bf16_(bf16),
        n_((shape.n + kStripRows - 1) / kStripRows * kStripRows),
        k_padded_((shape.k + k_block() - 1) / k_block() * k_block()),
        // bf16 rounds activations; x = high + low keeps 16 of f32's 24 bits, as two rows of one GEMM.
        rows_(bf16 ? shape.m * 2 : shape.m),
        block_(panel_block(rows_, n_)),
        x_(rows_ * shape.k * element_bytes()),
        panel_(n_ * k_padded_ * element_bytes()),
        y_(rows_ * n_ * sizeof(float)),
        stream_(cpu_engine()) {
    const auto dim = [](size_t n) { return static_cast<memory::dim>(n); };
    const auto type = bf16 ? memory::data_type::bf16 : memory::data_type::f32;
    const memory::desc x({dim(rows_), dim(shape.k)}, type, memory::format_tag::ab);
    const memory::desc w({dim(shape.k), dim(n_)}, type, panel_tag(block_, bf16));
    const memory::desc y({dim(rows_), dim(n_)}, memory::data_type::f32, memory::format_tag::ab);
    SISKIN_CHECK(w.get_size() == n_ * k_padded_ * element_bytes());
    const auto description = describe(x, w, y);
    matmul_ = dnnl::matmul(description);
    scratchpad_bytes_ = description.scratchpad_desc().get_size();
    scratchpad_ = Buffer(std::max<size_t>(scratchpad_bytes_, 1));
    x_memory_ = memory(x, cpu_engine(), x_.as<void>());
    panel_memory_ = memory(w, cpu_engine(), panel_.as<void>());
    in_place_memory_ = memory(w, cpu_engine(), DNNL_MEMORY_NONE);
    y_memory_ = memory(y, cpu_engine(), y_.as<void>());
    scratchpad_memory_ = memory(description.scratchpad_desc(), cpu_engine(), scratchpad_.as<void>());
  }

  void execute(const MatmulArgs& args) noexcept override {
    const size_t strips = args.strip_end - args.strip_begin;
    SISKIN_CHECK(args.x != nullptr && args.m <= shape_.m && strips * kStripRows <= n_ && args.w.cols == shape_.k);
    const OneThread one_thread;
    put_activations(args);
    run(weights(args, strips));
    take_results(args);
  }

 private:
  size_t k_block() const { return bf16_ ? 32 : 16; }
  size_t element_bytes() const { return bf16_ ? sizeof(uint16_t) : sizeof(float); }

  void put_activations(const MatmulArgs& args) noexcept {
    if (!bf16_) return gather_rows(args, x_.as<float>(), shape_.k);
    for (size_t i = 0; i < args.m; ++i) {
      const size_t row = args.gather != nullptr ? args.gather[i] : i;
      uint16_t* high = x_.as<uint16_t>() + i * shape_.k;
      split_bf16(args.x + row * args.x_stride, shape_.k, high, high + shape_.m * shape_.k);
    }
  }

  // The panel in place where it is whole, in oneDNN's order and unpadded along k; else copied (widened) into our own.
  const memory& weights(const MatmulArgs& args, size_t strips) noexcept {
    const bool same_type = args.w.type == (bf16_ ? DType::BF16 : DType::F32);
    if (same_type && block_ == kStripRows && shape_.k == k_padded_ && strips * kStripRows == n_) {
      in_place_memory_.set_data_handle(const_cast<std::byte*>(args.w.data + args.strip_begin * args.w.strip_bytes));
      return in_place_memory_;
    }
    const size_t group = block_ / kStripRows;  // strips that share a block
    for (size_t s = 0; s < strips; s += group) {
      const size_t first = args.strip_begin + s;
      const size_t end = std::min(first + group, args.strip_end);
      const size_t offset = s * kStripRows * k_padded_;
      if (bf16_) {
        copy_pairs(args.w, first, end, panel_.as<uint16_t>() + offset);
      } else {
        widen_strips(args.w, first, end, {panel_.as<float>() + offset, kStripRows, block_});
      }
    }
    return panel_memory_;
  }

  // BF16 strips side by side: per pair of k, 16 rows x 2 of each.
  void copy_pairs(const PackedMatrix& w, size_t begin, size_t end, uint16_t* out) const noexcept {
    constexpr size_t kPairElements = kStripRows * 2;
    const size_t pairs = w.strip_bytes / (kPairElements * sizeof(uint16_t));
    for (size_t s = begin; s < end; ++s) {
      const std::byte* strip = w.data + s * w.strip_bytes;
      for (size_t pair = 0; pair < pairs; ++pair) {
        std::memcpy(out + pair * block_ * 2 + (s - begin) * kPairElements, strip + pair * kPairElements * sizeof(uint16_t),
                    kPairElements * sizeof(uint16_t));
      }
    }
  }

  // Through the C interface, whose arguments are an array: the C++ one builds a map.
  void run(const memory& weights) noexcept {
    const std::array<dnnl_exec_arg_t, 4> arguments = {{{DNNL_ARG_SRC, x_memory_.get()},
                                                       {DNNL_ARG_WEIGHTS, weights.get()},
                                                       {DNNL_ARG_DST, y_memory_.get()},
                                                       {DNNL_ARG_SCRATCHPAD, scratchpad_memory_.get()}}};
    const dnnl_status_t status =
        dnnl_primitive_execute(matmul_.get(), stream_.get(), static_cast<int>(arguments.size()), arguments.data());
    SISKIN_CHECK(status == dnnl_success);
    SISKIN_CHECK(dnnl_stream_wait(stream_.get()) == dnnl_success);
  }

  void take_results(const MatmulArgs& args) noexcept {
    const size_t n = real_rows(args);
    for (size_t i = 0; i < args.m; ++i) {
      const float* from = y_.as<float>() + i * n_;
      float* to = args.y + i * args.y_stride;
      if (!bf16_) {
        std::memcpy(to, from, n * sizeof(float));
        continue;
      }
      const float* low = from + shape_.m * n_;
      for (size_t r = 0; r < n; ++r) to[r] = from[r] + low[r];
    }
  }

  GemmShape shape_;
  bool bf16_;
  size_t n_, k_padded_, rows_, block_;
  Buffer x_, panel_, y_;
  Buffer scratchpad_{1};
  size_t scratchpad_bytes_ = 0;
  dnnl::stream stream_;
  dnnl::matmul matmul_;
  memory x_memory_, panel_memory_, in_place_memory_, y_memory_, scratchpad_memory_;
};

class OnednnProvider final : public Provider {
 public:
  const char* name() const override { return "onednn"; }
  const char* version() const override {
    static const std::string text = [] {
      const dnnl_version_t* v = dnnl_version();
      return std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
    }();
    return text.c_str();
  }

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
    if (!supports(shape)) return Error{ErrorCode::unsupported, "onednn: no such matmul"};
    const bool bf16 = shape.weights == DType::BF16 && multiplies_bf16();
    const OneThread one_thread;
    try {
      return std::unique_ptr<PreparedGemm>(std::make_unique<OnednnGemm>(shape, bf16));
    } catch (const dnnl::error& error) {
      return Error{ErrorCode::unsupported, std::string("onednn: ") + error.what()};
    } catch (const std::bad_alloc&) {
      return Error{ErrorCode::out_of_memory, "onednn: no memory for a panel"};
    }
  }
};

}  // namespace

const Provider& onednn_provider() {
  static const OnednnProvider provider;
  return provider;
}

}  // namespace siskin
