// Session: runs requests on one Model. It owns the KV blocks, the activations and the workers; it belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <siskin/cost.h>
#include <siskin/expert_knobs.h>
#include <siskin/export.h>
#include <siskin/kv_type.h>
#include <siskin/machine.h>
#include <siskin/model.h>
#include <siskin/profile.h>
#include <siskin/result.h>
#include <siskin/routing_trace.h>

namespace siskin {

struct Sampling {
  float temperature = 0.8f;  // 0: greedy
  uint32_t top_k = 40;       // 0: off
  float top_p = 0.95f;       // 1: off
  float min_p = 0.05f;       // 0: off
  float repeat_penalty = 1.0f;
  uint32_t repeat_last_n = 64;
  uint64_t seed = 0;
};

struct TokenEvent {
  TokenId id;
  std::string_view text;  // complete UTF-8 so far held back: may be empty while a character is unfinished
  size_t index;           // 0 for the first generated token
};

struct Request {
  std::vector<TokenId> tokens;  // the prompt; REQUIRES: at least one
  size_t max_new_tokens = 128;
  Sampling sampling;
  std::vector<std::string> stop;  // generation ends before any of these texts
  bool ignore_eos = false;
  ExpertKnobs experts;  // of a mixture
  // Above 0: takes only so many experts per generated token, its top-k at most and one at least, that a decode step keeps to this time;
  // chosen from the steps' measured cost, so that what is generated depends on the machine. Prompts are read with the whole top-k.
  double budget_ms = 0;
  // Called from the thread that runs step(); return false to cancel this request.
  std::function<bool(const TokenEvent&)> on_token;
};

enum class FinishReason { length, eos, stop, cancelled, context_full };
SISKIN_API const char* finish_reason_name(FinishReason reason);  // "length", "eos", ...

struct Timing {
  double queue_s = 0;       // submit to first step
  double first_token_s = 0; // submit to first token
  double prefill_s = 0;     // wall time of the steps that ran this request's prompt
  double decode_s = 0;      // wall time of the steps that ran its generated tokens
  double total_s = 0;       // submit to finish
};

struct Completion {
  std::vector<TokenId> ids;  // generated
  std::string text;
  FinishReason finish_reason{};
  size_t prompt_tokens = 0;
  size_t expert_top_k = 0;  // most experts per token and layer of the last step; 0: a dense model
  Timing timing;
  Cost cost;
};

using RequestId = uint64_t;

struct SessionOptions {
  unsigned threads = 0;  // 0: usable_threads()
  size_t ctx = 0;        // most positions of one request; 0: min(trained context, 4096)
  size_t batch = 512;    // most tokens of one step
  size_t max_requests = 16;  // most requests in one step; others queue
  // One kernel family for every batch size: the same request gives the same bits whatever shares its steps. Otherwise steps of many
  // rows may run on bf16 units where those are faster, and short ones on int8.
  bool deterministic = false;
  KvType kv_type = KvType::f16;
  ExpertKnobs experts;   // of requests that set none of their own, and of logits()
  // Tokens use the experts of this trace instead of those that the router chooses, for measuring the cost of real routing on an invented
  // model: position p of request r takes row p + 997 r, round and round. Null: the router's.
  std::shared_ptr<const RoutingTrace> routing;
  std::shared_ptr<const MachineProfile> machine;  // for bandwidth_share and flops_share; null: those stay absent
};

class SISKIN_API Session {
 public:
  // Errors: invalid_argument (ctx, experts, routing of another shape), out_of_memory (KV and activations would not fit; says how much is needed and available).
  static Result<std::unique_ptr<Session>> create(std::shared_ptr<const Model> model, const SessionOptions& options = {});
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Runs one request to its end (and whatever else was submitted, beside it). After an error the request is gone.
  Result<Completion> generate(Request request);

  // Several at once: submit, step until false, take. Errors of submit: invalid_argument (empty prompt, id out of range, prompt
  // longer than ctx, experts as check_knobs says, a budget below 0).
  Result<RequestId> submit(Request request);
  Result<bool> step();  // one step of every running request, prefill and decode mixed; false: nothing left to do
  std::optional<Completion> take(RequestId id);  // a finished request's completion, once
  void cancel(RequestId id) noexcept;            // from any thread; takes effect at the next step
  // Takes a request out at once, however far it is: it has no completion, and its callback is not called again. Nothing for an
  // unknown id.
  void withdraw(RequestId id) noexcept;

  // Logits of every position of `tokens` from an empty context, row-major [tokens, n_vocab], through the same step as requests.
  // chunk: tokens per step; 1 scores with the decode kernels. For evaluation and tests. REQUIRES: no requests running.
  Result<std::vector<float>> logits(std::span<const TokenId> tokens, size_t chunk = 512);

  // From the next step on, adds where the time of each step goes: to `prefill` for steps with prompt tokens, to `decode` for others; null
  // leaves such steps out, both null (the default) costs nothing. The profiles must outlive the steps.
  void profile_into(StepProfile* prefill, StepProfile* decode);

  // From the next step on, appends to `trace` (new_trace of this model) which experts each token used; null: no more. It must outlive
  // the steps.
  void trace_into(RoutingTrace* trace);

  const Model& model() const;
  unsigned threads() const;

  struct Impl;
  explicit Session(std::unique_ptr<Impl> impl);
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace siskin
