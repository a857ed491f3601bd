// One thread drives both sides: it hands over what is due, runs a step, collects what is done. What a step delays is measured
// as delay.
#include "selector/load_generator.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "selector/random.h"
#include "selector/try.h"

namespace siskin::selector {

struct LoadGenerator::InFlight {
  RequestId id = 0;
  double due = 0;
  double first_token = -1;
};

// The state of one run: requests under way and the samples so far.
class LoadGenerator::Run {
 public:
  Run(LoadGenerator& generator) : generator_(generator), start_(generator.clock_.now()) {}

  double start() const { return start_; }
  size_t under_way() const { return in_flight_.size(); }
  const LoadRun& result() const { return result_; }

  Status send(double due) {
    Clock& clock = generator_.clock_;
    auto entry = std::make_unique<InFlight>();
    entry->due = due;
    const double handed_over = clock.now();
    SISKIN_TRY(Request request, generator_.next_request());
    const double preprocessed = clock.now();
    // Tokenising that the user did not ask to have measured must not count.
    if (!generator_.time_preprocess_) entry->due += preprocessed - handed_over;
    request.on_token = [&clock, raw = entry.get()](const TokenEvent&) {
      if (raw->first_token < 0) raw->first_token = clock.now();
      return true;
    };
    SISKIN_TRY(entry->id, generator_.server_.submit(std::move(request)));
    dispatch_ms_ += (handed_over - due) * 1e3;
    preprocess_ms_ += (preprocessed - handed_over) * 1e3;
    ++sent_;
    in_flight_.push_back(std::move(entry));
    return {};
  }

  Status step_and_collect() {
    SISKIN_TRY([[maybe_unused]] const bool more, generator_.server_.step());
    const double now = generator_.clock_.now();
    for (size_t i = 0; i < in_flight_.size();) {
      const auto completion = generator_.server_.take(in_flight_[i]->id);
      if (!completion) {
        ++i;
        continue;
      }
      add_sample(*in_flight_[i], *completion, now);
      in_flight_.erase(in_flight_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    return {};
  }

  LoadRun finish(bool stopped_early) {
    const double sent = static_cast<double>(std::max<size_t>(sent_, 1));
    result_.dispatch_ms_mean = dispatch_ms_ / sent;
    result_.preprocess_ms_mean = generator_.time_preprocess_ ? preprocess_ms_ / sent : 0;
    if (shares_ > 0) result_.bandwidth_share_mean = share_sum_ / static_cast<double>(shares_);
    result_.stopped_early = stopped_early;
    return std::move(result_);
  }

 private:
  void add_sample(const InFlight& entry, const Completion& completion, double now) {
    result_.latency_ms.push_back((now - entry.due) * 1e3);
    result_.ttft_ms.push_back(((entry.first_token < 0 ? now : entry.first_token) - entry.due) * 1e3);
    result_.seconds = now - start_;
    const PhaseCost& decode = completion.cost.decode;
    result_.decode_tokens += decode.tokens;
    result_.decode_bytes += decode.weight_bytes + decode.kv_read_bytes;
    if (decode.bandwidth_share) {
      share_sum_ += *decode.bandwidth_share;
      ++shares_;
    }
  }

  LoadGenerator& generator_;
  double start_;
  std::vector<std::unique_ptr<InFlight>> in_flight_;
  LoadRun result_;
  double dispatch_ms_ = 0, preprocess_ms_ = 0, share_sum_ = 0;
  size_t sent_ = 0, shares_ = 0;
};

LoadGenerator::LoadGenerator(const LoadedModel& model, Server& server, Clock& clock, std::vector<std::string> prompts,
                             const Workload& workload, bool time_preprocess, std::function<bool()> cancelled)
    : model_(model),
      server_(server),
      clock_(clock),
      prompts_(std::move(prompts)),
      workload_(workload),
      time_preprocess_(time_preprocess),
      cancelled_(std::move(cancelled)) {}

Result<Request> LoadGenerator::next_request() {
  Request request;
  if (prompts_.empty()) {
    Random random(workload_.seed * 7919 + sent_);
    for (size_t i = 0; i < workload_.prompt_tokens; ++i) {
      request.tokens.push_back(static_cast<TokenId>(random.index(std::max<size_t>(model_.info().n_vocab, 1))));
    }
  } else {
    SISKIN_TRY(request.tokens, model_.tokenize(prompts_[sent_ % prompts_.size()]));
    if (request.tokens.size() > workload_.prompt_tokens) request.tokens.resize(workload_.prompt_tokens);
  }
  request.max_new_tokens = workload_.output_tokens;
  request.ignore_eos = true;  // every request has the length that the workload declares
  request.sampling.seed = workload_.seed + sent_;
  ++sent_;
  return request;
}

Result<LoadRun> LoadGenerator::closed_loop(size_t concurrency, double seconds, size_t min_requests, size_t max_requests) {
  Run run(*this);
  size_t sent = 0;
  const auto enough = [&] {
    const size_t done = run.result().latency_ms.size();
    return done >= max_requests || (done >= min_requests && clock_.now() - run.start() >= seconds);
  };
  while (!enough()) {
    if (cancelled_ && cancelled_()) return Error{ErrorCode::cancelled, "interrupted"};
    while (run.under_way() < concurrency && sent < max_requests) {
      SISKIN_TRY_STATUS(run.send(clock_.now()));
      ++sent;
    }
    SISKIN_TRY_STATUS(run.step_and_collect());
  }
  LoadRun result = run.finish(false);
  while (run.under_way() > 0) SISKIN_TRY_STATUS(run.step_and_collect());  // leave the server idle for the next run
  return result;
}

Result<LoadRun> LoadGenerator::open_loop(double rate, size_t n, uint64_t seed,
                                         const std::function<bool(const LoadRun&)>& keep_going) {
  Random random(seed);
  std::vector<double> due(n);
  double at = 0;
  for (double& time : due) time = at += random.exponential(rate);

  Run run(*this);
  size_t next = 0, seen = 0;
  while (run.result().latency_ms.size() < n) {
    if (cancelled_ && cancelled_()) return Error{ErrorCode::cancelled, "interrupted"};
    if (run.under_way() == 0 && next < n) clock_.sleep_until(run.start() + due[next]);
    while (next < n && run.start() + due[next] <= clock_.now()) {
      SISKIN_TRY_STATUS(run.send(run.start() + due[next]));
      ++next;
    }
    if (run.under_way() == 0) continue;
    SISKIN_TRY_STATUS(run.step_and_collect());
    if (run.result().latency_ms.size() > seen) {
      seen = run.result().latency_ms.size();
      if (!keep_going(run.result())) {
        LoadRun result = run.finish(true);
        while (run.under_way() > 0) SISKIN_TRY_STATUS(run.step_and_collect());
        return result;
      }
    }
  }
  return run.finish(false);
}

std::vector<std::string> make_prompts(const LoadedModel& model, std::string_view material, size_t tokens, size_t count) {
  std::vector<std::string> out;
  if (material.empty()) return out;
  const auto is_boundary = [](char c) { return c == ' ' || c == '\n'; };  // never inside a UTF-8 character
  for (size_t i = 0; i < count; ++i) {
    size_t begin = i * material.size() / count;
    while (begin > 0 && begin < material.size() && !is_boundary(material[begin])) ++begin;
    size_t bytes = tokens * 6;
    // Three rounds bring the length to the token count; longer than needed is cut by tokens, shorter is never accepted.
    std::string text;
    for (int round = 0; round < 4; ++round) {
      text.clear();
      while (text.size() < bytes) text += material.substr(text.empty() ? begin : 0, bytes - text.size());
      while (!text.empty() && !is_boundary(text.back())) text.pop_back();
      const auto ids = model.tokenize(text);
      if (!ids) return {};
      if (ids->size() >= tokens && ids->size() <= tokens + 4) break;
      const double per_token = static_cast<double>(text.size() + 1) / static_cast<double>(std::max<size_t>(ids->size(), 1));
      bytes = std::max<size_t>(16, static_cast<size_t>(per_token * static_cast<double>(tokens + 3)));
    }
    out.push_back(std::move(text));
  }
  return out;
}

}  // namespace siskin::selector
