// What `siskin-bench` measures: the crossed lists as tests, and one test run once.
#pragma once

#include <siskin/session.h>
#include <siskin/yardstick.h>

#include <chrono>
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
  size_t parallel = 1;  // decode: requests in one step, each of its own text
  size_t top_k = 0;     // experts per token; 0: the model's
  KvType kv_type = KvType::f16;
  std::shared_ptr<const RoutingTrace> routing = nullptr;  // null: the model's own

  std::string name() const;  // "pp512", "tg64", "tg64 x4", "tg64 k2"
  // Tests that differ in these alone are measured in turn, so that a slow drift of the machine hits all of them.
  bool same_group(const Test& other) const {
    return phase == other.phase && n == other.n && threads == other.threads && batch == other.batch;
  }
};

struct Lists {
  std::vector<uint64_t> prompts = {512}, generations = {64}, threads, batches = {512}, parallel = {1}, top_k = {0};
};

// One repetition: the ledger of the phase under test alone, all requests together, and what the machine gave right before and
// after.
struct Sample {
  double seconds = 0;  // wall time of the steps, sampling included
  size_t steps = 0;
  PhaseCost cost;
  double read_gb_s = 0;  // of the plain read loop
  Peaks peaks;           // of the arithmetic loops, GFLOP/s

  double tokens_per_second() const;
  double step_seconds() const { return seconds / static_cast<double>(steps); }
  double bytes() const { return static_cast<double>(cost.weight_bytes + cost.kv_read_bytes); }
  double bandwidth_share() const { return bytes() / seconds / 1e9 / read_gb_s; }
  std::optional<double> flops_share() const;
};

// Every prefill length, then every decode length with its row counts and top-k, for each batch and thread count.
std::vector<Test> cross(const Lists& lists);

// A session that fits the test.
Result<std::unique_ptr<Session>> session_for(const std::shared_ptr<const Model>& model, const Test& test);

// Prefill: n random tokens and one generated token, which that prefill's own last step yields. Decode: prompts of one token
// each, the first the model's first of a text, then n steps of one token per request, greedy and past EOS. Errors: cancelled
// after Ctrl-C.
Result<Sample> run_once(Session& session, const Test& test);

// What the machine gives, taken anew when the last look is older than a tenth of a second: so tests of a millisecond share one,
// and two tests that follow each other share the one between them. For sessions of one model and thread count.
class Moment {
 public:
  struct Limits {
    double read_gb_s = 0;
    Peaks peaks;
  };
  const Limits& look(Session& session);

 private:
  Limits limits_;
  std::chrono::steady_clock::time_point taken_{};
};

// The same with the means of what the machine gave before and after.
Result<Sample> run_paired(Session& session, const Test& test, Moment& moment);

}  // namespace siskin::bench
