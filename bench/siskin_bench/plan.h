// What `siskin-bench` measures: the crossed lists as tests, and one test run once.
#pragma once

#include <siskin/session.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace siskin::bench {

enum class Phase { prefill, decode };

// One row: `n` tokens of one phase on one session's settings.
struct Test {
  Phase phase{};
  size_t n = 0;
  unsigned threads = 0;
  size_t batch = 512;
  KvType kv_type = KvType::f16;

  std::string name() const;  // "pp512", "tg64"
};

// One repetition. `phase` is the ledger of the phase under test alone.
struct Sample {
  double seconds = 0;
  PhaseCost cost;

  double tokens_per_second() const;
};

// Every prefill length, then every decode length, for each batch and thread count, as llama-bench orders them.
std::vector<Test> cross(const std::vector<uint64_t>& prompts, const std::vector<uint64_t>& generations,
                        const std::vector<uint64_t>& batches, const std::vector<uint64_t>& threads);

// A session that fits the test.
Result<std::unique_ptr<Session>> session_for(const std::shared_ptr<const Model>& model, const Test& test,
                                             const std::shared_ptr<const MachineProfile>& machine);

// Prefill: n random tokens and one generated token, which that prefill's own last step yields. Decode: a prompt of one token,
// then n single-token steps, greedy and past EOS. Errors: cancelled after Ctrl-C.
Result<Sample> run_once(Session& session, const Test& test);

}  // namespace siskin::bench
