// Decode beside a plain read loop over the same packed weights, in turn in one process: how much of what memory gives at that moment does
// decoding use? (A cached machine profile cannot say so on a shared machine whose bandwidth moves by the minute.)
// Usage: decode_pairs MODEL [threads] [rounds]
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <siskin/session.h>

#include "engine/exec/worker_team.h"
#include "engine/machine/loops.h"
#include "engine/model_impl.h"

namespace {

using namespace siskin;

// The packed weights' memory, all matrices together.
std::span<const std::byte> packed_weights(const Model& model) {
  const std::byte* begin = nullptr;
  const std::byte* end = nullptr;
  for (const Tensor& tensor : model.impl().weights.tensors()) {
    if (tensor.is_vector) continue;
    const std::byte* first = tensor.slices.front().data;
    if (begin == nullptr || first < begin) begin = first;
    if (end == nullptr || first + tensor.bytes() > end) end = first + tensor.bytes();
  }
  return {begin, end};
}

double read_gb_s(WorkerTeam& team, ReadLoop read, std::span<const std::byte> memory) {
  const size_t slice = memory.size() / team.threads() / 4096 * 4096;
  std::atomic<uint64_t> sink = 0;  // keeps the reads alive
  const auto start = std::chrono::steady_clock::now();
  team.run(team.threads(), [&](size_t thread) { sink += read(memory.data() + thread * slice, slice); });
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return static_cast<double>(slice * team.threads()) / seconds / 1e9;
}

int fail(const Error& error) {
  std::fprintf(stderr, "decode_pairs: %s\n", error.message.c_str());
  return 1;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 4) {
    std::fprintf(stderr, "decode_pairs: usage: decode_pairs MODEL [threads] [rounds]\n");
    return 2;
  }
  SessionOptions options;
  options.threads = argc > 2 ? static_cast<unsigned>(std::max(1, std::atoi(argv[2]))) : usable_threads();
  const int rounds = argc > 3 ? std::max(1, std::atoi(argv[3])) : 15;
  const auto model = Model::load(argv[1]);
  if (!model) return fail(model.error());
  auto session = Session::create(*model, options);
  if (!session) return fail(session.error());
  const auto memory = packed_weights(**model);
  const ReadLoop read = read_loop_for((*model)->isa());
  WorkerTeam team(options.threads);

  Request request;
  request.tokens = {1};
  request.max_new_tokens = 6;
  request.ignore_eos = true;
  request.sampling.temperature = 0;
  std::vector<double> reads, decodes, shares;
  for (int round = 0; round <= rounds; ++round) {
    const double before = read_gb_s(team, read, memory);
    const auto completion = (*session)->generate(request);
    if (!completion) return fail(completion.error());
    const double after = read_gb_s(team, read, memory);
    if (round == 0) continue;  // warm-up
    reads.push_back((before + after) / 2);
    decodes.push_back(completion->cost.decode.gb_s);
    shares.push_back(decodes.back() / reads.back());
  }
  std::printf("read %.1f GB/s, decode %.1f GB/s; share %.3f (median of %d pairs, %.3f to %.3f), %u threads\n", median(reads),
              median(decodes), median(shares), rounds, *std::min_element(shares.begin(), shares.end()),
              *std::max_element(shares.begin(), shares.end()), options.threads);
  return 0;
}
