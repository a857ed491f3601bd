// Cases of the operations between the matmuls, at the sizes of a model of a few billion parameters.
#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>
#include <vector>

#include "bench/kernels_bench/cases.h"
#include "engine/machine/sample.h"

namespace siskin::bench {
namespace {

constexpr size_t kModel = 4096;  // an activation row
constexpr size_t kVocabulary = 32768;
constexpr double kRelative = 1e-4;  // a broken body is further off; the tests hold the tight bounds
constexpr double kAbsolute = 1e-5;

std::vector<float> values(size_t n, uint64_t seed) { return sample_rows(available_isas().front().complete, 1, n, seed).x; }

// Arrays of a case: an input that stays, and one output each for the kernel and for ref.
struct Arrays {
  std::vector<float> a, b, got, want;
};
std::shared_ptr<Arrays> arrays(size_t n) {
  auto made = std::make_shared<Arrays>();
  *made = {values(n, 1), values(n, 2), std::vector<float>(n), std::vector<float>(n)};
  return made;
}

// A case whose two calls write `got` and `want`.
template <class Call>
Work float_work(size_t n, double bytes, double ops, const Call& call, const std::shared_ptr<Arrays>& data) {
  return {bytes, ops, [=] { call(false, data->got); },
          [=] {
            call(true, data->want);
            return close(data->got.data(), data->want.data(), n, kAbsolute, kRelative);
          }};
}

std::string size_text(size_t n) { return "n:" + std::to_string(n); }

}  // namespace

bool close(const float* a, const float* b, size_t n, double absolute, double relative) {
  for (size_t i = 0; i < n; ++i) {
    const double difference = std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (!(difference <= absolute + relative * std::fabs(static_cast<double>(b[i])))) return false;
  }
  return true;
}

void add_cases(const Kernel& kernel, QuantizeFn fn, QuantizeFn ref) {
  add_case(kernel.title(size_text(kModel)), [=] {
    struct Quantised {
      std::vector<int8_t> q = std::vector<int8_t>(kModel);
      std::vector<float> scale = std::vector<float>(kModel / kQuantBlock);
      std::vector<int32_t> sum = std::vector<int32_t>(kModel / kQuantBlock);
      std::vector<int32_t> half = std::vector<int32_t>(kModel / kQuantBlock);
      bool operator==(const Quantised&) const = default;
    };
    const auto x = std::make_shared<std::vector<float>>(values(kModel, 1));
    const auto got = std::make_shared<Quantised>();
    Work work;
    work.bytes = kModel * 5 + kModel / kQuantBlock * 12;
    work.run = [=] { fn(x->data(), kModel, got->q.data(), got->scale.data(), got->sum.data(), got->half.data()); };
    work.right = [=] {
      Quantised want;
      ref(x->data(), kModel, want.q.data(), want.scale.data(), want.sum.data(), want.half.data());
      return *got == want;
    };
    return work;
  });
}

void add_cases(const Kernel& kernel, RmsNormFn fn, RmsNormFn ref) {
  add_case(kernel.title(size_text(kModel)), [=] {
    const auto data = arrays(kModel);
    const auto call = [=](bool by_ref, std::vector<float>& y) {
      (by_ref ? ref : fn)({data->a.data(), data->b.data(), y.data(), kModel, 1e-5f, 0});
    };
    return float_work(kModel, kModel * 12, 4 * kModel, call, data);
  });
}

void add_cases(const Kernel& kernel, LayerNormFn fn, LayerNormFn ref) {
  add_case(kernel.title(size_text(kModel)), [=] {
    const auto data = arrays(kModel);
    const auto bias = std::make_shared<std::vector<float>>(values(kModel, 3));
    const auto call = [=](bool by_ref, std::vector<float>& y) {
      (by_ref ? ref : fn)({data->a.data(), data->b.data(), bias->data(), y.data(), kModel, 1e-5f, 0, 0});
    };
    return float_work(kModel, kModel * 16, 7 * kModel, call, data);
  });
}

void add_cases(const Kernel& kernel, RopeFn fn, RopeFn ref) {
  for (bool interleaved : {true, false}) {
    constexpr size_t kHeads = 32, kDim = 128;
    add_case(kernel.title(interleaved ? "interleaved/heads:32/dim:128" : "halves/heads:32/dim:128"), [=] {
      auto data = arrays(kHeads * kDim);
      for (size_t j = 0; j < kDim / 2; ++j) {  // a rotation, so that repeated calls do not grow
        data->a[j] = std::cos(static_cast<float>(j));
        data->b[j] = std::sin(static_cast<float>(j));
      }
      data->got = data->want = values(kHeads * kDim, 3);
      const auto call = [=](bool by_ref, std::vector<float>& x) {
        (by_ref ? ref : fn)({x.data(), kHeads, kDim, kDim, data->a.data(), data->b.data(), interleaved});
      };
      return float_work(kHeads * kDim, kHeads * kDim * 8, 3 * kHeads * kDim, call, data);
    });
  }
}

void add_cases(const Kernel& kernel, SoftmaxFn fn, SoftmaxFn ref) {
  add_case(kernel.title(size_text(kModel)), [=] {
    const auto data = arrays(kModel);
    // In place: the copy is part of the time, a tenth of it.
    const auto call = [=](bool by_ref, std::vector<float>& x) {
      std::memcpy(x.data(), data->a.data(), kModel * 4);
      (by_ref ? ref : fn)(x.data(), kModel);
    };
    return float_work(kModel, kModel * 8, 0, call, data);
  });
}

void add_cases(const Kernel& kernel, SwigluFn fn, SwigluFn ref) {
  add_case(kernel.title(size_text(kModel)), [=] {
    const auto data = arrays(kModel);
    const auto call = [=](bool by_ref, std::vector<float>& y) {
      (by_ref ? ref : fn)(data->a.data(), data->b.data(), y.data(), kModel);
    };
    return float_work(kModel, kModel * 12, 0, call, data);
  });
}

void add_cases(const Kernel& kernel, GegluFn fn, GegluFn ref) {
  add_case(kernel.title(size_text(kModel)), [=] {
    const auto data = arrays(kModel);
    const auto call = [=](bool by_ref, std::vector<float>& y) {
      (by_ref ? ref : fn)({data->a.data(), data->b.data(), y.data(), kModel});
    };
    return float_work(kModel, kModel * 12, 0, call, data);
  });
}

void add_cases(const Kernel& kernel, AddBiasFn fn, AddBiasFn ref) {
  add_case(kernel.title(size_text(kModel)), [=] {
    const auto data = arrays(kModel);
    const auto call = [=](bool by_ref, std::vector<float>& y) { (by_ref ? ref : fn)({data->a.data(), y.data(), kModel, 0}); };
    return float_work(kModel, kModel * 12, kModel, call, data);
  });
}

void add_cases(const Kernel& kernel, DotFn fn, DotFn ref) {
  add_case(kernel.title(size_text(kModel)), [=] {
    const auto data = arrays(kModel);
    const auto call = [=](bool by_ref, std::vector<float>& y) {
      y[0] = (by_ref ? ref : fn)({data->a.data(), data->b.data(), kModel, 0});
    };
    return float_work(kModel, kModel * 8, 2 * kModel, call, data);
  });
}

void add_cases(const Kernel& kernel, AxpyFn fn, AxpyFn ref) {
  add_case(kernel.title(size_text(kModel)), [=] {
    const auto data = arrays(kModel);
    const auto call = [=](bool by_ref, std::vector<float>& y) { (by_ref ? ref : fn)(0.5f, data->a.data(), y.data(), kModel); };
    return float_work(kModel, kModel * 12, 2 * kModel, call, data);
  });
}

void add_cases(const Kernel& kernel, TopKFn fn, TopKFn ref) {
  for (const auto& [n, k] : {std::pair<size_t, size_t>{128, 8}, {kVocabulary, 40}}) {
    add_case(kernel.title(size_text(n) + "/k:" + std::to_string(k)), [=, n = n, k = k] {
      const auto x = std::make_shared<std::vector<float>>(values(n, 1));
      const auto got = std::make_shared<std::vector<uint32_t>>(k);
      Work work;
      work.bytes = static_cast<double>(n * 4 + k * 4);
      work.run = [=] { fn(x->data(), n, k, got->data()); };
      work.right = [=] {
        std::vector<uint32_t> want(k);
        ref(x->data(), n, k, want.data());
        return *got == want;
      };
      return work;
    });
  }
}

void add_cases(const Kernel& kernel, ArgmaxFn fn, ArgmaxFn ref) {
  add_case(kernel.title(size_text(kVocabulary)), [=] {
    const auto x = std::make_shared<std::vector<float>>(values(kVocabulary, 1));
    const auto got = std::make_shared<size_t>(0);
    return Work{kVocabulary * 4, 0, [=] { *got = fn(x->data(), kVocabulary); },
                [=] { return *got == ref(x->data(), kVocabulary); }};
  });
}

}  // namespace siskin::bench
