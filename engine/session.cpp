#include <siskin/session.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <mutex>
#include <set>
#include <unordered_map>

#include "engine/experts/disk.h"
#include "engine/knobs/budget.h"
#include "engine/knobs/limits.h"
#include "engine/ledger.h"
#include "engine/model_impl.h"
#include "engine/sampler.h"
#include "engine/session_team.h"
#include "engine/step.h"
#include "engine/text_stream.h"
#include "engine/trace/record.h"
#include "engine/withdrawal.h"
#include "formats/try.h"

namespace siskin {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// A request between submit and its Completion.
struct Running {
  Running(RequestId request_id, Request&& r, const KernelTable& kernels, Account&& a, ExpertLimits&& l)
      : id(request_id),
        request(std::move(r)),
        limits(std::move(l)),
        tokens(request.tokens),
        sampler(request.sampling, kernels),
        stream(request.stop),
        account(std::move(a)),
        submitted(Clock::now()) {
    if (request.budget_ms > 0) budget.emplace(request.budget_ms / 1e3, limits.largest_top_k());
  }

  RequestId id;
  Request request;
  ExpertLimits limits;
  std::optional<ExpertBudget> budget;
  std::vector<TokenId> tokens;  // prompt, then what was generated
  std::unique_ptr<KvSequence> state;
  size_t computed = 0;  // tokens whose K and V are stored
  Sampler sampler;
  TextStream stream;
  Account account;
  Clock::time_point submitted;
  Timing timing;
  bool started = false;

  bool decoding() const { return computed >= request.tokens.size(); }
  size_t generated() const { return tokens.size() - request.tokens.size(); }
};

// The fewest rows of a matmul of these weights that run on bf16; 0: none do.
size_t fewest_bf16_rows(const KernelTable& kernels, const Weights& weights) {
  size_t fewest = 0;
  for (const Tensor& tensor : weights.tensors()) {
    const size_t rows = tensor.is_vector ? 0 : bf16_rows_of(kernels, tensor.type);
    if (rows != 0 && (fewest == 0 || rows < fewest)) fewest = rows;
  }
  return fewest;
}

}  // namespace

struct Session::Impl {
  Impl(std::shared_ptr<const Model> m, const SessionOptions& o, unsigned threads, size_t ctx, size_t kv_blocks)
      : model(std::move(m)),
        core(model->impl()),
        options(o),
        kernels(core.isa->complete),
        ctx_size(ctx),
        team(threads),
        pool(kv_shape(core.spec, o.kv_type), kv_blocks),
        rope(core.spec.rope, core.spec.n_rot, ctx),
        local_rope(core.spec.local_rope, core.spec.n_rot, core.spec.window > 0 ? ctx : 0),
        knobs(knobs_over(core.knobs, o.experts)),
        limits(core.spec, knobs) {
    trace.routing.resize(core.spec.n_layers);
    trace.reads.resize(core.spec.n_layers);
    if (options.deterministic) kernels.bf16_rows = {};
    const size_t bf16_from = fewest_bf16_rows(kernels, core.weights);
    for (ActivationRows* rows : {&act.normed, &act.q_factor, &act.by_head, &act.attended, &act.hidden, &act.last}) {
      rows->bf16_from = bf16_from;
    }
  }

  std::shared_ptr<const Model> model;
  const Model::Impl& core;
  SessionOptions options;
  KernelTable kernels;  // the model's, or what of it is deterministic
  size_t ctx_size;
  WorkerTeam team;
  KvPool pool;
  RopeTable rope, local_rope;
  ExpertKnobs knobs;    // the overlay's and the session's
  ExpertLimits limits;  // by them
  Activations act;
  StepTrace trace;
  RequestId next_id = 1;
  std::deque<std::unique_ptr<Running>> waiting;
  std::vector<std::unique_ptr<Running>> running;
  std::unordered_map<RequestId, Completion> finished;
  StepProfile* prefill_profile = nullptr;
  StepProfile* decode_profile = nullptr;
  RoutingTrace* recorded = nullptr;
  PartClock* clock = nullptr;  // while a profiled step runs
  bool had_prompts = false;
  std::mutex cancel_mutex;
  // Every unfinished request, and whether it was asked to end: cancel() only finds its place, so that it need not allocate.
  std::unordered_map<RequestId, bool> cancelled;
  std::atomic<bool> any_cancelled = false;

  // Runs a plan: logits lie in act.logits. Returns the wall time. Errors: experts that could not be read; the same plan may run
  // again.
  Result<double> forward(const StepPlan& plan) {
    const auto start = Clock::now();
    trace.failure.reset();
    for (std::vector<ExpertRead>& reads : trace.reads) reads.clear();
    StepContext ctx{core.spec, core.weights, *core.experts,        kernels, rope, local_rope, team, act,
                    plan,      trace,        options.routing.get(), clock};
    core.family->forward(ctx);
    ctx.enter(Part::between);
    if (trace.failure) return *trace.failure;
    if (recorded != nullptr) append_step(plan, trace, *recorded);
    return seconds_since(start);
  }

  void set_clock(PartClock* to) {
    clock = to;
    team.set_clock(to);
  }
  void admit();
  void drop_cancelled();
  // The next step, and the request of each slice.
  Result<StepPlan> plan_step(std::vector<Running*>& requests);
  Result<bool> step();
  void finish(Running& request, FinishReason reason);
  void forget(RequestId id);  // it cannot be cancelled any more
  // Picks the next token of a request whose logits are ready. Nothing: it goes on.
  std::optional<FinishReason> advance(Running& request, std::span<float> logits);
};

void Session::Impl::finish(Running& request, FinishReason reason) {
  request.stream.finish();
  request.timing.total_s = seconds_since(request.submitted);
  Completion completion;
  completion.ids.assign(request.tokens.begin() + static_cast<std::ptrdiff_t>(request.request.tokens.size()),
                        request.tokens.end());
  completion.text = request.stream.text();
  completion.finish_reason = reason;
  completion.prompt_tokens = request.request.tokens.size();
  if (core.spec.is_moe()) completion.expert_top_k = request.budget ? request.budget->k() : request.limits.largest_top_k();
  completion.timing = request.timing;
  completion.cost = request.account.cost(options.machine.get(), team.threads());
  finished.emplace(request.id, std::move(completion));
  forget(request.id);
}

void Session::Impl::forget(RequestId id) {
  const std::lock_guard lock(cancel_mutex);
  cancelled.erase(id);
}

void Session::Impl::admit() {
  while (!waiting.empty() && running.size() < options.max_requests) {
    Running& request = *waiting.front();
    const size_t most = std::min(ctx_size, request.request.tokens.size() + request.request.max_new_tokens);
    request.state = KvSequence::create(pool, most);
    if (!request.state) return;  // the pool is full: it waits for a running request to end
    running.push_back(std::move(waiting.front()));
    waiting.pop_front();
  }
}

void Session::Impl::drop_cancelled() {
  if (!any_cancelled.exchange(false)) return;
  std::set<RequestId> ids;
  {
    const std::lock_guard lock(cancel_mutex);
    for (const auto& [id, asked] : cancelled) {
      if (asked) ids.insert(id);
    }
  }
  const auto drop = [&](auto& queue) {
    std::erase_if(queue, [&](const std::unique_ptr<Running>& request) {
      if (!ids.contains(request->id)) return false;
      finish(*request, FinishReason::cancelled);
      return true;
    });
  };
  drop(waiting);
  drop(running);
}

// Every decoding request gets its one token first, so that a long prompt cannot hold others up; prompts share what is left.
Result<StepPlan> Session::Impl::plan_step(std::vector<Running*>& requests) {
  StepPlan plan;
  size_t room = options.batch;
  for (const bool decoding : {true, false}) {
    for (const auto& request : running) {
      if (request->decoding() != decoding || room == 0) continue;
      const size_t left = request->tokens.size() - request->computed;
      const size_t n = std::min(left, room);
      SISKIN_TRY_STATUS(request->state->grow(request->computed + n));
      StepSlice slice;
      slice.request = static_cast<uint32_t>(request->id);
      slice.state = request->state.get();
      slice.first_position = request->computed;
      slice.tokens = std::span(request->tokens).subspan(request->computed, n);
      slice.n_logits = n == left ? 1 : 0;
      if (request->budget) request->limits.cap(decoding ? request->budget->k() : request->limits.largest_top_k());
      slice.limits = request->limits.layers();
      plan.slices.push_back(slice);
      requests.push_back(request.get());
      room -= n;
    }
  }
  return plan;
}

std::optional<FinishReason> Session::Impl::advance(Running& request, std::span<float> logits) {
  if (request.request.max_new_tokens == 0) return FinishReason::length;
  const TokenId id = request.sampler.pick(logits, request.tokens);
  if (request.timing.first_token_s == 0) request.timing.first_token_s = seconds_since(request.submitted);
  const bool ends = core.tokenizer && core.tokenizer->ends_generation(id);
  if (ends && !request.request.ignore_eos) return FinishReason::eos;
  request.tokens.push_back(id);
  const std::string piece = core.tokenizer ? core.tokenizer->piece(id) : std::string();
  const std::string_view shown = request.stream.push(piece);
  if (request.request.on_token && !request.request.on_token({id, shown, request.generated() - 1}))
    return FinishReason::cancelled;
  if (request.stream.stopped()) return FinishReason::stop;
  if (request.generated() >= request.request.max_new_tokens) return FinishReason::length;
  if (request.tokens.size() > ctx_size) return FinishReason::context_full;
  return std::nullopt;
}

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::~Session() = default;

Result<std::unique_ptr<Session>> Session::create(std::shared_ptr<const Model> model, const SessionOptions& options) {
  const ModelSpec& spec = model->impl().spec;
  const size_t ctx = options.ctx == 0 ? default_ctx(spec) : options.ctx;
  if (options.batch == 0 || options.max_requests == 0)
    return Error{ErrorCode::invalid_argument, "batch and max_requests: at least 1"};
  if (ctx < 2 || ctx > (size_t{1} << 31)) {
    return Error{ErrorCode::invalid_argument, "context " + std::to_string(ctx) + ": expected 2 to 2147483648"};
  }
  SISKIN_TRY_STATUS(check_knobs(model->info(), options.experts));
  if (options.routing != nullptr && (options.routing->n_layers != spec.n_layers || options.routing->n_experts != spec.n_experts ||
                                     options.routing->n_tokens() == 0)) {
    return Error{ErrorCode::invalid_argument, "routing: the trace has " + std::to_string(options.routing->n_tokens()) + " tokens, " +
                                                  std::to_string(options.routing->n_layers) + " layers of " +
                                                  std::to_string(options.routing->n_experts) + " experts, the model " +
                                                  std::to_string(spec.n_layers) + " of " + std::to_string(spec.n_experts)};
  }
  // One request at full context must fit; more share what memory allows, up to max_requests.
  const KvShape shape = kv_shape(spec, options.kv_type);
  const uint64_t needed = shape.bytes_per_position() * ctx + activation_bytes(spec, options.batch, options.max_requests, ctx) +
                          uint64_t{spec.window > 0 ? 2u : 1u} * ctx * spec.n_rot * sizeof(float);  // rope tables
  const uint64_t free = available_memory_bytes();
  const DiskExperts* disk = model->impl().experts->disk();
  const uint64_t promised = model->impl().weights.mapped_bytes() + (disk == nullptr ? 0 : disk->untouched_bytes());
  const uint64_t available = free - std::min(free, promised);
  if (needed > available) {
    return Error{ErrorCode::out_of_memory, "context " + std::to_string(ctx) + " needs " + bytes_text(needed) +
                                               " for the KV cache and activations, available: " + bytes_text(available)};
  }
  const size_t blocks_each = (ctx + kKvPositions - 1) / kKvPositions;
  const uint64_t affordable = (available - needed) / 2 / std::max<uint64_t>(1, shape.bytes_per_block()) + blocks_each;
  const size_t blocks = static_cast<size_t>(std::min<uint64_t>(affordable, uint64_t{blocks_each} * options.max_requests));
  const unsigned threads = options.threads == 0 ? usable_threads() : options.threads;
  return std::make_unique<Session>(std::make_unique<Impl>(std::move(model), options, threads, ctx, blocks));
}

Result<RequestId> Session::submit(Request request) {
  Impl& impl = *impl_;
  if (request.tokens.empty()) return Error{ErrorCode::invalid_argument, "the prompt has no tokens"};
  if (request.tokens.size() > impl.ctx_size) {
    return Error{ErrorCode::invalid_argument, "the prompt has " + std::to_string(request.tokens.size()) +
                                                  " tokens, the context holds " + std::to_string(impl.ctx_size)};
  }
  for (const TokenId id : request.tokens) {
    if (id < 0 || static_cast<size_t>(id) >= impl.core.spec.n_vocab) {
      return Error{ErrorCode::invalid_argument,
                   "token id " + std::to_string(id) + ": expected 0 to " + std::to_string(impl.core.spec.n_vocab - 1)};
    }
  }
  SISKIN_TRY_STATUS(check_knobs(impl.model->info(), request.experts));
  if (!(request.budget_ms >= 0)) return Error{ErrorCode::invalid_argument, "budget: expected milliseconds, at least 0"};
  if (request.budget_ms > 0 && !impl.core.spec.is_moe()) {
    return Error{ErrorCode::invalid_argument, "budget: " + impl.core.info.name + " has no experts to leave out"};
  }
  ExpertLimits limits(impl.core.spec, knobs_over(impl.knobs, request.experts));
  const RequestId id = impl.next_id++;
  {
    const std::lock_guard lock(impl.cancel_mutex);
    impl.cancelled.emplace(id, false);
  }
  impl.waiting.push_back(std::make_unique<Running>(id, std::move(request), impl.kernels,
                                                   impl.core.ledger->open(impl.pool.shape().bytes_per_position()), std::move(limits)));
  return id;
}

// Sets `had_prompts` to whether any slice of the step was of a prompt.
Result<bool> Session::Impl::step() {
  drop_cancelled();
  admit();
  if (running.empty()) return false;
  std::vector<Running*> requests;  // of each slice
  SISKIN_TRY(const StepPlan plan, plan_step(requests));

  std::vector<Account*> accounts;
  std::vector<Phase> phases;
  had_prompts = false;
  for (Running* request : requests) {
    accounts.push_back(&request->account);
    phases.push_back(request->decoding() ? Phase::decode : Phase::prefill);
    if (phases.back() == Phase::prefill) had_prompts = true;
    if (!request->started) request->timing.queue_s = seconds_since(request->submitted);
    request->started = true;
  }
  SISKIN_TRY(const double seconds, forward(plan));
  core.ledger->post(plan, trace, kernels, seconds, accounts, phases);

  float* logits = act.logits.data();
  std::set<const Running*> done;
  for (size_t i = 0; i < requests.size(); ++i) {
    Running& request = *requests[i];
    (phases[i] == Phase::decode ? request.timing.decode_s : request.timing.prefill_s) += seconds;
    request.computed += plan.slices[i].tokens.size();
    if (request.budget && phases[i] == Phase::decode && !had_prompts) request.budget->add(seconds);
    if (plan.slices[i].n_logits == 0) continue;
    const auto reason = advance(request, {logits, core.spec.n_vocab});
    logits += core.spec.n_vocab;
    if (!reason) continue;
    finish(request, *reason);
    done.insert(&request);
  }
  std::erase_if(running, [&](const auto& request) { return done.contains(request.get()); });
  return !running.empty() || !waiting.empty();
}

Result<bool> Session::step() {
  Impl& impl = *impl_;
  if (impl.prefill_profile == nullptr && impl.decode_profile == nullptr) return impl.step();
  StepProfile profile;
  PartClock clock(profile);
  impl.set_clock(&clock);
  auto more = impl.step();
  impl.set_clock(nullptr);
  clock.enter(Part::between);
  if (StepProfile* into = impl.had_prompts ? impl.prefill_profile : impl.decode_profile; into != nullptr) *into += profile;
  return more;
}

void Session::profile_into(StepProfile* prefill, StepProfile* decode) {
  impl_->prefill_profile = prefill;
  impl_->decode_profile = decode;
}

void Session::trace_into(RoutingTrace* trace) { impl_->recorded = trace; }

WorkerTeam& team_of(Session& session) { return session.impl().team; }
const StepTrace& last_trace(Session& session) { return session.impl().trace; }

std::optional<Completion> Session::take(RequestId id) {
  const auto found = impl_->finished.find(id);
  if (found == impl_->finished.end()) return std::nullopt;
  Completion completion = std::move(found->second);
  impl_->finished.erase(found);
  return completion;
}

void Session::cancel(RequestId id) noexcept {
  const std::lock_guard lock(impl_->cancel_mutex);
  const auto found = impl_->cancelled.find(id);
  if (found == impl_->cancelled.end()) return;
  found->second = true;
  impl_->any_cancelled = true;
}

void Session::withdraw(RequestId id) noexcept {
  const auto drop = [&](auto& queue) { std::erase_if(queue, [&](const auto& request) { return request->id == id; }); };
  drop(impl_->waiting);
  drop(impl_->running);
  impl_->finished.erase(id);
  impl_->forget(id);
}

Result<Completion> Session::generate(Request request) {
  SISKIN_TRY(const RequestId id, submit(std::move(request)));
  Withdrawal withdrawal(*this, id);
  for (;;) {
    SISKIN_TRY(const bool more, step());
    if (auto completion = take(id)) {
      withdrawal.done();
      return *std::move(completion);
    }
    if (!more) return Error{ErrorCode::out_of_memory, "the KV cache cannot hold this request"};
  }
}

Result<std::vector<float>> Session::logits(std::span<const TokenId> tokens, size_t chunk) {
  Impl& impl = *impl_;
  if (!impl.running.empty() || !impl.waiting.empty())
    return Error{ErrorCode::invalid_argument, "logits(): requests are running"};
  if (tokens.empty() || tokens.size() > impl.ctx_size || chunk == 0) {
    return Error{ErrorCode::invalid_argument,
                 "logits(): " + std::to_string(tokens.size()) + " tokens, expected 1 to " + std::to_string(impl.ctx_size)};
  }
  for (const TokenId id : tokens) {
    if (id < 0 || static_cast<size_t>(id) >= impl.core.spec.n_vocab) {
      return Error{ErrorCode::invalid_argument, "token id " + std::to_string(id) + " is out of range"};
    }
  }
  const auto state = KvSequence::create(impl.pool, tokens.size());
  if (!state) return Error{ErrorCode::out_of_memory, "the KV cache cannot hold " + std::to_string(tokens.size()) + " tokens"};
  SISKIN_TRY_STATUS(state->grow(tokens.size()));
  std::vector<float> logits;
  logits.reserve(tokens.size() * impl.core.spec.n_vocab);
  for (size_t first = 0; first < tokens.size(); first += chunk) {
    const size_t n = std::min(chunk, tokens.size() - first);
    StepPlan plan;
    plan.slices.push_back({0, state.get(), first, tokens.subspan(first, n), n, impl.limits.layers()});
    SISKIN_TRY(const double seconds, impl.forward(plan));
    static_cast<void>(seconds);
    logits.insert(logits.end(), impl.act.logits.begin(),
                  impl.act.logits.begin() + static_cast<std::ptrdiff_t>(n * impl.core.spec.n_vocab));
  }
  return logits;
}

const Model& Session::model() const { return *impl_->model; }
unsigned Session::threads() const { return impl_->team.threads(); }

const char* finish_reason_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::length:
      return "length";
    case FinishReason::eos:
      return "eos";
    case FinishReason::stop:
      return "stop";
    case FinishReason::cancelled:
      return "cancelled";
    case FinishReason::context_full:
      return "context_full";
  }
  return "";
}

}  // namespace siskin
