#include <siskin/yardstick.h>

#include <algorithm>
#include <atomic>
#include <chrono>

#include "engine/exec/worker_team.h"
#include "engine/machine/loops.h"
#include "engine/model_impl.h"
#include "engine/session_team.h"

namespace siskin {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kRunBytes = size_t{2} << 20;
constexpr double kPeakSeconds = 0.01;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// The packed weights' memory, all matrices together.
std::span<const std::byte> packed_weights(const Model& model) {
  const std::byte* begin = nullptr;
  const std::byte* end = nullptr;
  for (const Tensor& tensor : model.impl().weights.tensors()) {
    if (tensor.is_vector || tensor.on_disk) continue;
    const std::byte* first = tensor.slices.front().data;
    if (begin == nullptr || first < begin) begin = first;
    if (end == nullptr || first + tensor.bytes() > end) end = first + tensor.bytes();
  }
  return {begin, end};
}

double gflops_now(WorkerTeam& team, const ArithmeticLoop& loop) {
  if (loop.run == nullptr) return 0;
  std::atomic<float> sink = 0;  // keeps the arithmetic alive
  size_t iterations = 1000;
  for (;;) {
    const auto start = Clock::now();
    team.run(team.threads(), [&](size_t) { sink = loop.run(iterations); });
    const double seconds = seconds_since(start);
    if (seconds >= kPeakSeconds / 2) {
      return loop.ops * static_cast<double>(iterations) * static_cast<double>(team.threads()) / seconds / 1e9;
    }
    iterations =
        static_cast<size_t>(static_cast<double>(iterations) * std::clamp(kPeakSeconds / std::max(seconds, 1e-6), 2.0, 100.0));
  }
}

}  // namespace

double read_gb_s_now(Session& session) {
  WorkerTeam& team = team_of(session);
  const std::span<const std::byte> memory = packed_weights(session.model());
  const ReadLoop read = read_loop_for(session.model().isa());
  const size_t run = std::min(kRunBytes, memory.size() / kReadStep * kReadStep);
  const size_t runs = run == 0 ? 0 : memory.size() / run;
  std::atomic<uint64_t> sink = 0;  // keeps the reads alive
  const auto start = Clock::now();
  team.run(runs, [&](size_t i) { sink.fetch_xor(read(memory.data() + i * run, run), std::memory_order_relaxed); });
  return static_cast<double>(runs * run) / seconds_since(start) / 1e9;
}

Peaks peaks_now(Session& session) {
  WorkerTeam& team = team_of(session);
  const ArithmeticLoops loops = arithmetic_loops();
  const auto bf16 = bf16_unit(session.model().isa());  // dots of int8 run on the vector unit in every table
  return {gflops_now(team, loops.f32), gflops_now(team, loops.int8_vector), bf16 ? gflops_now(team, loops.*bf16) : 0.0};
}

}  // namespace siskin
