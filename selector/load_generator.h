// LoadGenerator: sends requests to a server and times them, closed loop (a number of waiting users) or open loop (Poisson
// arrivals).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "selector/backend.h"
#include "selector/config.h"

namespace siskin::selector {

// Samples of one run, in order of completion. Latency and ttft count from the moment a request was due, so that a generator or
// a server that falls behind shows in them; they include the measured pre-processing.
struct LoadRun {
  std::vector<double> latency_ms, ttft_ms;
  double seconds = 0;           // first due to last done
  double dispatch_ms_mean = 0;  // due to handed over: the wait for a running step to end
  double preprocess_ms_mean = 0;
  uint64_t decode_tokens = 0, decode_bytes = 0;
  double bandwidth_share_mean = 0;  // 0: the engine does not know
  bool stopped_early = false;

  double qps() const { return seconds > 0 ? static_cast<double>(latency_ms.size()) / seconds : 0; }
  double bytes_per_token() const {
    return decode_tokens > 0 ? static_cast<double>(decode_bytes) / static_cast<double>(decode_tokens) : 0;
  }
};

class LoadGenerator {
 public:
  // prompts: texts whose tokens fill the workload's prompt; without a tokenizer, random ids are sent instead.
  LoadGenerator(const LoadedModel& model, Server& server, Clock& clock, std::vector<std::string> prompts,
                const Workload& workload, bool time_preprocess, std::function<bool()> cancelled);

  // `concurrency` users, each sending the next request when the last is done, until `seconds` have passed and at least
  // `min_requests` are done, or `max_requests` are.
  Result<LoadRun> closed_loop(size_t concurrency, double seconds, size_t min_requests, size_t max_requests);

  // n requests due at the times of a Poisson process. keep_going is asked after each completion; false abandons the run.
  Result<LoadRun> open_loop(double rate, size_t n, uint64_t seed, const std::function<bool(const LoadRun&)>& keep_going);

 private:
  struct InFlight;
  class Run;

  Result<Request> next_request();

  const LoadedModel& model_;
  Server& server_;
  Clock& clock_;
  std::vector<std::string> prompts_;
  Workload workload_;
  bool time_preprocess_;
  std::function<bool()> cancelled_;
  uint64_t sent_ = 0;
};

// Texts from the held-out material, each just long enough for `tokens` tokens of this model, spread over the material.
std::vector<std::string> make_prompts(const LoadedModel& model, std::string_view material, size_t tokens, size_t count);

}  // namespace siskin::selector
