// The tests of `siskin-bench`: crossing the lists, running one of them once.
#include "bench/siskin_bench/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <utility>

#include "examples/siskin/cli/drive.h"

namespace siskin::bench {

std::string Test::name() const { return fmt::format("{}{}", phase == Phase::prefill ? "pp" : "tg", n); }

double Sample::tokens_per_second() const { return cli::per_second(cost.tokens, seconds); }

std::vector<Test> cross(const std::vector<uint64_t>& prompts, const std::vector<uint64_t>& generations,
                        const std::vector<uint64_t>& batches, const std::vector<uint64_t>& threads) {
  std::vector<Test> tests;
  for (const uint64_t batch : batches)
    for (const uint64_t count : threads) {
      for (const uint64_t n : prompts)
        if (n > 0) tests.push_back({Phase::prefill, n, static_cast<unsigned>(count), batch});
      for (const uint64_t n : generations)
        if (n > 0) tests.push_back({Phase::decode, n, static_cast<unsigned>(count), batch});
    }
  return tests;
}

Result<std::unique_ptr<Session>> session_for(const std::shared_ptr<const Model>& model, const Test& test,
                                             const std::shared_ptr<const MachineProfile>& machine) {
  SessionOptions options;
  options.threads = test.threads;
  options.batch = test.batch;
  options.kv_type = test.kv_type;
  options.ctx = test.n + 1;  // the prompt and the last token, or the one-token prompt and n more
  options.max_requests = 1;
  options.machine = machine;
  return Session::create(model, options);
}

Result<Sample> run_once(Session& session, const Test& test) {
  const Model& model = session.model();
  Request request;
  request.sampling.temperature = 0;
  request.ignore_eos = true;
  if (test.phase == Phase::prefill) {
    // A fixed seed: every repetition and every run routes the same tokens to the same experts.
    std::mt19937 random(1);
    std::uniform_int_distribution<TokenId> any(0, static_cast<TokenId>(model.info().n_vocab) - 1);
    request.tokens.resize(test.n);
    for (TokenId& token : request.tokens) token = any(random);
    request.max_new_tokens = 1;
  } else {
    request.tokens = {std::max<TokenId>(model.bos(), 0)};
    request.max_new_tokens = test.n + 1;
  }
  auto completion = cli::run_to_end(session, std::move(request));
  if (!completion) return std::move(completion).error();
  if (completion->finish_reason == FinishReason::cancelled) return Error{ErrorCode::cancelled, "interrupted"};
  const PhaseCost& cost = test.phase == Phase::prefill ? completion->cost.prefill : completion->cost.decode;
  if (cost.tokens != test.n)
    return Error{ErrorCode::unsupported, fmt::format("{}: {} tokens ran, expected {}", test.name(), cost.tokens, test.n)};
  const double seconds = test.phase == Phase::prefill ? completion->timing.prefill_s : completion->timing.decode_s;
  return Sample{seconds, cost};
}

}  // namespace siskin::bench
