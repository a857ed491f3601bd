// kernels_bench: every kernel of kernel_list.inc on every instruction set of this CPU, beside plain memory loops and oneDNN's
// and BLIS's GEMMs. The usual Google Benchmark flags apply (--benchmark_filter=matvec_f16, --benchmark_format=json).
#include <benchmark/benchmark.h>

#include "bench/kernels_bench/cases.h"
#include "kernels/cpu.h"
#include "kernels/provider.h"

namespace siskin::bench {
namespace {

bool all_right = true;

struct Current {
  std::string name;
  Work work;
  bool right = false;
};

// The case of that name, made and checked if the last call was another's.
const Current& current_case(const std::string& name, const std::function<Work()>& make) {
  static Current current;
  if (current.name == name) return current;
  current.work = {};
  current.work = make();
  current.name = name;
  current.work.run();
  current.right = current.work.right();
  all_right = all_right && current.right;
  return current;
}

template <class Fn>
void add_if_there(const char* name, const Isa& isa, Fn own, Fn ref) {
  if (own != nullptr) add_cases(Kernel{name, isa.name}, own, ref);
}

void add_kernels() {
  const Isa& ref = available_isas().front();
#define SISKIN_KERNEL(name, Fn, tolerance) \
  for (const Isa& isa : available_isas()) add_if_there<Fn>(#name, isa, isa.own->name, ref.complete.name);
#include "kernels/kernel_list.inc"
#undef SISKIN_KERNEL
}

}  // namespace

void add_case(const std::string& name, std::function<Work()> make) {
  benchmark::RegisterBenchmark(name.c_str(), [name, make = std::move(make)](benchmark::State& state) {
    const Current& current = current_case(name, make);
    if (!current.right) {
      state.SkipWithError("the answer differs from ref's");
      return;
    }
    for (auto _ : state) current.work.run();
    const double calls = static_cast<double>(state.iterations());
    state.counters["bytes/s"] = benchmark::Counter(current.work.bytes * calls, benchmark::Counter::kIsRate);
    if (current.work.ops > 0) {
      state.counters["FLOP/s"] = benchmark::Counter(current.work.ops * calls, benchmark::Counter::kIsRate);
    }
  });
}

bool every_answer_was_right() { return all_right; }

}  // namespace siskin::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::AddCustomContext("cpu", siskin::cpu_name());
  for (const siskin::Provider* provider : siskin::providers())
    benchmark::AddCustomContext(provider->name(), provider->version());
  siskin::bench::add_memory_baselines();
  siskin::bench::add_provider_baselines();
  siskin::bench::add_kernels();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return siskin::bench::every_answer_was_right() ? 0 : 1;
}
