// The tests of `siskin-bench`: crossing the lists, running one of them once.
#include "bench/siskin_bench/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

#include "examples/siskin/cli/drive.h"
#include "examples/siskin/cli/interrupt.h"

namespace siskin::bench {
namespace {

// A fixed seed for each request: every repetition and every run routes the same tokens to the same experts.
std::vector<TokenId> random_tokens(const Model& model, size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<TokenId> any(0, static_cast<TokenId>(model.info().n_vocab) - 1);
  std::vector<TokenId> tokens(n);
  for (TokenId& token : tokens) token = any(random);
  return tokens;
}

Request request_for(const Model& model, const Test& test, size_t index) {
  Request request;
  request.sampling.temperature = 0;
  request.ignore_eos = true;
  if (test.phase == Phase::prefill) {
    request.tokens = random_tokens(model, test.n, 1);
    request.max_new_tokens = 1;
  } else {
    request.tokens = index == 0 ? std::vector<TokenId>{std::max<TokenId>(model.bos(), 0)}
                                : random_tokens(model, 1, static_cast<unsigned>(index));
    request.max_new_tokens = test.n + 1;
  }
  return request;
}

// Shares of one step's bytes add up to the step's union, so sums over its requests are the union too.
void add(PhaseCost& sum, const PhaseCost& cost) {
  sum.tokens += cost.tokens;
  sum.weight_bytes += cost.weight_bytes;
  for (size_t role = 0; role < kRoles; ++role) sum.weight_bytes_by_role[role] += cost.weight_bytes_by_role[role];
  sum.kv_read_bytes += cost.kv_read_bytes;
  sum.kv_write_bytes += cost.kv_write_bytes;
  sum.padding_bytes += cost.padding_bytes;
  sum.flops_f32 += cost.flops_f32;
  sum.flops_int8 += cost.flops_int8;
  sum.flops_bf16 += cost.flops_bf16;
}

}  // namespace

std::string Test::name() const {
  std::string name = fmt::format("{}{}", phase == Phase::prefill ? "pp" : "tg", n);
  if (parallel > 1) name += fmt::format(" x{}", parallel);
  if (top_k > 0) name += fmt::format(" k{}", top_k);
  return name;
}

double Sample::tokens_per_second() const { return cli::per_second(cost.tokens, seconds); }

std::optional<double> Sample::flops_share() const {
  const std::pair<uint64_t, double> units[] = {
      {cost.flops_f32, peaks.f32}, {cost.flops_int8, peaks.int8}, {cost.flops_bf16, peaks.bf16}};
  double ideal = 0;
  for (const auto& [flops, peak] : units) {
    if (flops == 0) continue;
    if (peak <= 0) return std::nullopt;
    ideal += static_cast<double>(flops) / peak;
  }
  return ideal / 1e9 / seconds;
}

std::vector<Test> cross(const Lists& lists) {
  std::vector<Test> tests;
  for (const uint64_t batch : lists.batches) {
    for (const uint64_t threads : lists.threads) {
      const auto count = static_cast<unsigned>(threads);
      for (const uint64_t n : lists.prompts) {
        if (n > 0) tests.push_back({Phase::prefill, n, count, batch});
      }
      for (const uint64_t n : lists.generations) {
        if (n == 0) continue;
        for (const uint64_t parallel : lists.parallel) {
          for (const uint64_t top_k : lists.top_k) tests.push_back({Phase::decode, n, count, batch, parallel, top_k});
        }
      }
    }
  }
  return tests;
}

Result<std::unique_ptr<Session>> session_for(const std::shared_ptr<const Model>& model, const Test& test) {
  SessionOptions options;
  options.threads = test.threads;
  options.batch = std::max(test.batch, test.parallel);
  options.ctx = test.n + 1;  // the prompt and the last token, or the one-token prompt and n more
  options.max_requests = test.parallel;
  if (test.top_k > 0) options.experts.top_k = {static_cast<uint32_t>(test.top_k)};
  options.routing = test.routing;
  options.kv_type = test.kv_type;
  return Session::create(model, options);
}

Result<Sample> run_once(Session& session, const Test& test) {
  std::vector<RequestId> ids;
  for (size_t i = 0; i < test.parallel; ++i) {
    auto id = session.submit(request_for(session.model(), test, i));
    if (!id) return std::move(id).error();
    ids.push_back(*id);
  }
  Sample sample;
  const bool prefill = test.phase == Phase::prefill;
  size_t steps = 0;
  for (bool more = true; more; ++steps) {
    if (cli::interrupted()) {
      for (const RequestId id : ids) session.cancel(id);
    }
    const auto start = std::chrono::steady_clock::now();
    auto stepped = session.step();
    if (!stepped) return std::move(stepped).error();
    more = *stepped;
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (prefill || steps > 0) sample.seconds += seconds;  // all one-token prompts are the first step
  }
  sample.steps = prefill ? steps : steps - 1;
  for (const RequestId id : ids) {
    const auto completion = session.take(id);
    if (!completion) return Error{ErrorCode::out_of_memory, "the KV cache cannot hold " + test.name()};
    if (completion->finish_reason == FinishReason::cancelled) return Error{ErrorCode::cancelled, "interrupted"};
    const PhaseCost& cost = prefill ? completion->cost.prefill : completion->cost.decode;
    if (cost.tokens != test.n) {
      return Error{ErrorCode::unsupported, fmt::format("{}: {} tokens ran, expected {}", test.name(), cost.tokens, test.n)};
    }
    add(sample.cost, cost);
  }
  return sample;
}

const Moment::Limits& Moment::look(Session& session) {
  constexpr std::chrono::milliseconds kFresh(100);
  if (limits_.read_gb_s == 0 || std::chrono::steady_clock::now() - taken_ > kFresh) {
    limits_ = {read_gb_s_now(session), peaks_now(session)};
    taken_ = std::chrono::steady_clock::now();
  }
  return limits_;
}

Result<Sample> run_paired(Session& session, const Test& test, Moment& moment) {
  const Moment::Limits before = moment.look(session);
  auto sample = run_once(session, test);
  if (!sample) return sample;
  const Moment::Limits& after = moment.look(session);
  sample->read_gb_s = (before.read_gb_s + after.read_gb_s) / 2;
  const auto mean = [&](double Peaks::*unit) { return (before.peaks.*unit + after.peaks.*unit) / 2; };
  sample->peaks = {mean(&Peaks::f32), mean(&Peaks::int8), mean(&Peaks::bf16)};
  return sample;
}

}  // namespace siskin::bench
