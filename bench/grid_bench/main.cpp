// Spin team or TBB for the token path? The matrix products of a decode step, in grids cut as the engine cuts linear layers, run by the
// WorkerTeam and by tbb::parallel_for in an arena of the same size, on the bundled dense-m's shape and on Llama 3.2 1B's. Prints
// tokens/s of both in turn.
// Usage: grid_bench [threads] [rounds]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>

#include <siskin/machine.h>

#include "engine/blocks/linear.h"
#include "engine/exec/worker_team.h"
#include "kernels/select.h"

namespace {

using namespace siskin;

struct StepShape {
  const char* name;
  DType type;
  size_t layers, d_model, d_kv, d_ff, vocab, steps;
};
constexpr size_t kTaskStrips = 8;  // of a task: the same for both, so that only what hands tasks out differs

constexpr StepShape kShapes[] = {{"dense-m", DType::F16, 4, 256, 128, 768, 4096, 400},
                             {"llama-3.2-1b", DType::Q8_0, 16, 2048, 512, 8192, 128256, 8}};

// One grid: matrices that read the same row.
using Grid = std::vector<PackedMatrix>;

class Step {
 public:
  explicit Step(const StepShape& shape) : kernels_(available_isas().back().complete) {
    add(shape, {{shape.d_model, shape.d_model}, {shape.d_kv, shape.d_model}, {shape.d_kv, shape.d_model}}, shape.layers);
    add(shape, {{shape.d_model, shape.d_model}}, shape.layers);
    add(shape, {{shape.d_ff, shape.d_model}, {shape.d_ff, shape.d_model}}, shape.layers);
    add(shape, {{shape.d_model, shape.d_ff}}, shape.layers);
    add(shape, {{shape.vocab, shape.d_model}}, 1);
    const size_t widest = std::max(shape.d_ff, shape.d_model);
    x_.assign(widest, 0.5f);
    q_.assign(widest, 3);
    scale_.assign(widest / kQuantBlock, 0.01f);
    sum_.assign(widest / kQuantBlock, 96);
    y_.resize(std::max(shape.vocab, 2 * shape.d_ff));
  }

  // `run(n, task)` calls task(i) for i in [0, n).
  template <class Run>
  void decode(const Run& run) {
    for (const Grid& grid : grids_) {
      size_t tasks = 0;
      for (const PackedMatrix& w : grid) tasks += (w.strips() + kTaskStrips - 1) / kTaskStrips;
      run(tasks, [&](size_t task) {
        const PackedMatrix* w = grid.data();
        size_t offset = 0;
        for (size_t n; task >= (n = (w->strips() + kTaskStrips - 1) / kTaskStrips);) {
          task -= n;
          offset += w->rows;
          ++w;
        }
        MatmulArgs args;
        args.w = *w;
        args.strip_begin = task * kTaskStrips;
        args.strip_end = std::min(args.strip_begin + kTaskStrips, w->strips());
        args.m = 1;
        args.x = x_.data();
        args.xq = {q_.data(), scale_.data(), sum_.data()};
        args.y = y_.data() + offset + args.strip_begin * kStripRows;
        args.y_stride = w->rows;
        matvec_of(kernels_, w->type)(args);
      });
    }
  }

 private:
  void add(const StepShape& shape, std::vector<std::pair<size_t, size_t>> sizes, size_t layers) {
    for (size_t layer = 0; layer < layers; ++layer) {
      Grid grid;
      for (const auto& [rows, cols] : sizes) {
        const size_t bytes = (packed_bytes(shape.type, rows, cols) + 63) / 64 * 64;
        auto* data = static_cast<std::byte*>(std::aligned_alloc(64, bytes));  // lives as long as the program
        if (data == nullptr) std::abort();
        std::fill(data, data + bytes, std::byte{1});
        grid.push_back({data, shape.type, packed_layout(shape.type), rows, cols, packed_strip_bytes(shape.type, cols), 0, 0});
      }
      grids_.push_back(std::move(grid));
    }
  }

  const KernelTable& kernels_;
  std::vector<Grid> grids_;
  std::vector<float> x_, scale_, y_;
  std::vector<int8_t> q_;
  std::vector<int32_t> sum_;
};

template <class Run>
double tokens_per_second(Step& step, size_t steps, const Run& run) {
  const auto start = std::chrono::steady_clock::now();
  for (size_t i = 0; i < steps; ++i) step.decode(run);
  return static_cast<double>(steps) / std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  const unsigned threads = argc > 1 ? static_cast<unsigned>(std::atoi(argv[1])) : usable_threads();
  const size_t rounds = argc > 2 ? static_cast<size_t>(std::atoi(argv[2])) : 9;
  if (threads < 1 || rounds < 1) {
    std::fprintf(stderr, "grid_bench: expected [threads >= 1] [rounds >= 1]\n");
    return 2;
  }
  WorkerTeam team(threads);
  tbb::task_arena arena(static_cast<int>(threads));
  const auto spin = [&](size_t n, const auto& task) { team.run(n, task); };
  const auto tbb_run = [&](size_t n, const auto& task) {
    arena.execute([&] { tbb::parallel_for(size_t{0}, n, task, tbb::simple_partitioner()); });
  };
  std::printf("shape          threads   team tok/s    tbb tok/s   team/tbb (median, min, max of %zu pairs)\n", rounds);
  for (const StepShape& shape : kShapes) {
    Step step(shape);
    step.decode(spin);
    std::vector<double> a, b, ratio;
    for (size_t round = 0; round < rounds; ++round) {
      a.push_back(tokens_per_second(step, shape.steps, spin));
      b.push_back(tokens_per_second(step, shape.steps, tbb_run));
      ratio.push_back(a.back() / b.back());
    }
    std::printf("%-14s %7u %12.1f %12.1f   %.3f  %.3f  %.3f\n", shape.name, threads, median(a), median(b), median(ratio),
                *std::min_element(ratio.begin(), ratio.end()), *std::max_element(ratio.begin(), ratio.end()));
  }
  return 0;
}
