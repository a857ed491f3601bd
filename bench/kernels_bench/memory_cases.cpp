// Plain loops over memory: what a matvec can at most reach.
#include <benchmark/benchmark.h>

#include <cstring>
#include <memory>

#include "bench/kernels_bench/cases.h"
#include "engine/machine/loops.h"
#include "engine/machine/sample.h"

namespace siskin::bench {
namespace {

constexpr size_t kSizes[] = {size_t{256} << 10, size_t{4} << 20, size_t{256} << 20};

std::shared_ptr<std::byte[]> touched(size_t bytes) {
  std::shared_ptr<std::byte[]> memory(new (std::align_val_t{64}) std::byte[bytes], AlignedFree{});
  std::memset(memory.get(), 1, bytes);
  return memory;
}

std::string size_text(size_t bytes) { return "kB:" + std::to_string(bytes >> 10); }

}  // namespace

void add_memory_baselines() {
  for (const Isa& isa : available_isas()) {
    for (size_t bytes : kSizes) {
      add_case(Kernel{"read", isa.name}.title(size_text(bytes)), [bytes, read = read_loop_for(isa.name)] {
        const auto memory = touched(bytes);
        Work work;
        work.bytes = static_cast<double>(bytes);
        work.run = [=] { benchmark::DoNotOptimize(read(memory.get(), bytes)); };
        work.right = [] { return true; };
        return work;
      });
    }
  }
  for (size_t bytes : kSizes) {
    add_case(Kernel{"copy", "memcpy"}.title(size_text(bytes)), [bytes] {
      const auto from = touched(bytes);
      const auto to = touched(bytes);
      Work work;
      work.bytes = 2.0 * static_cast<double>(bytes);
      work.run = [=] {
        std::memcpy(to.get(), from.get(), bytes);
        benchmark::DoNotOptimize(to.get());
      };
      work.right = [=] { return std::memcmp(to.get(), from.get(), bytes) == 0; };
      return work;
    });
  }
}

}  // namespace siskin::bench
