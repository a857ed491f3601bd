// The C API's sessions: a request from C run on a Session, its Completion laid out as C structs.
#include <siskin/session.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>

#include "engine/c_api.h"
#include "engine/withdrawal.h"
#include "formats/try.h"

using siskin::Completion;
using siskin::Cost;
using siskin::PhaseCost;
using siskin::Request;
using siskin::RequestId;
using siskin::Result;
using siskin::Session;
using siskin::Status;
using siskin::c_api::guarded;
using siskin::c_api::invalid;
using siskin::c_api::read_struct;

struct siskin_session {
  std::shared_ptr<const siskin::Model> model;
  std::unique_ptr<Session> session;
  std::atomic<bool> in_use = false;
  std::atomic<bool> cancel = false;  // asked for while siskin_generate runs
  // What the last siskin_generate returned.
  Completion completion;
  std::string cost_text, cost_json;
  std::vector<siskin_layer_experts> prefill_layers, decode_layers;
  siskin_phase_cost prefill{}, decode{};
  siskin_result result{};
};
static_assert(std::atomic<bool>::is_always_lock_free, "siskin_cancel is for signal handlers too");

static_assert(int{SISKIN_KV_F16} == int(siskin::KvType::f16));
static_assert(int{SISKIN_KV_F32} == int(siskin::KvType::f32));
static_assert(int{SISKIN_KV_BF16} == int(siskin::KvType::bf16));
static_assert(int{SISKIN_KV_Q8_0} == int(siskin::KvType::q8_0));

static_assert(int{SISKIN_FINISH_LENGTH} == int(siskin::FinishReason::length));
static_assert(int{SISKIN_FINISH_EOS} == int(siskin::FinishReason::eos));
static_assert(int{SISKIN_FINISH_STOP} == int(siskin::FinishReason::stop));
static_assert(int{SISKIN_FINISH_CANCELLED} == int(siskin::FinishReason::cancelled));
static_assert(int{SISKIN_FINISH_CONTEXT_FULL} == int(siskin::FinishReason::context_full));

namespace {

siskin_phase_cost convert(const PhaseCost& from, std::vector<siskin_layer_experts>& layers) {
  layers.clear();
  for (const PhaseCost::LayerExperts& layer : from.experts_by_layer) layers.push_back({layer.touched, layer.reads});
  siskin_phase_cost to{};
  to.size = sizeof to;
  to.tokens = from.tokens;
  to.total_params = from.total_params;
  to.active_params = from.active_params;
  to.active_params_per_token = from.active_params_per_token;
  to.params_touched = from.params_touched;
  to.experts_touched = from.experts_touched;
  to.experts_per_token = from.experts_per_token;
  to.weight_bytes = from.weight_bytes;
  to.weight_bytes_by_role = from.weight_bytes_by_role.data();
  to.n_roles = siskin::kRoles;
  to.padding_bytes = from.padding_bytes;
  to.kv_read_bytes = from.kv_read_bytes;
  to.kv_write_bytes = from.kv_write_bytes;
  to.disk_bytes = from.disk_bytes;
  to.flops_f32 = from.flops_f32;
  to.flops_int8 = from.flops_int8;
  to.flops_bf16 = from.flops_bf16;
  to.steps = from.steps;
  to.expert_reads = from.expert_reads;
  to.expert_disk_reads = from.expert_disk_reads;
  to.experts_by_layer = layers.empty() ? nullptr : layers.data();
  to.n_layers = layers.size();
  to.seconds = from.seconds;
  to.gb_s = from.gb_s;
  to.bandwidth_share = from.bandwidth_share.value_or(-1);
  to.flops_share = from.flops_share.value_or(-1);
  return to;
}

// Points the session's result at its completion.
void publish(siskin_session& s) {
  const Completion& completion = s.completion;
  s.cost_text = siskin::to_text(completion.cost);
  s.cost_json = siskin::to_json(completion.cost);
  s.prefill = convert(completion.cost.prefill, s.prefill_layers);
  s.decode = convert(completion.cost.decode, s.decode_layers);
  siskin_result& result = s.result;
  result.size = sizeof result;
  result.finish = static_cast<siskin_finish>(completion.finish_reason);
  result.text = completion.text.c_str();
  result.text_bytes = completion.text.size();
  result.tokens = completion.ids.data();
  result.n_tokens = completion.ids.size();
  result.prompt_tokens = completion.prompt_tokens;
  result.first_token_s = completion.timing.first_token_s;
  result.prefill_s = completion.timing.prefill_s;
  result.decode_s = completion.timing.decode_s;
  result.total_s = completion.timing.total_s;
  result.prefill = &s.prefill;
  result.decode = &s.decode;
  result.cost_text = s.cost_text.c_str();
  result.cost_json = s.cost_json.c_str();
  result.expert_top_k = completion.expert_top_k;
}

siskin_request default_request() {
  const Request defaults;
  siskin_request request{};
  request.size = sizeof request;
  request.max_new_tokens = defaults.max_new_tokens;
  request.seed = defaults.sampling.seed;
  request.temperature = defaults.sampling.temperature;
  request.top_p = defaults.sampling.top_p;
  request.min_p = defaults.sampling.min_p;
  request.repeat_penalty = defaults.sampling.repeat_penalty;
  request.top_k = defaults.sampling.top_k;
  request.repeat_last_n = defaults.sampling.repeat_last_n;
  return request;
}

Result<siskin::Sampling> read_sampling(const siskin_request& from) {
  const auto at_least_0 = [](float value) { return std::isfinite(value) && value >= 0; };
  if (!at_least_0(from.temperature) || !at_least_0(from.top_p) || !at_least_0(from.min_p) || !at_least_0(from.repeat_penalty) ||
      from.repeat_penalty == 0) {
    return invalid(
        "siskin_request: temperature, top_p and min_p must be at least 0, repeat_penalty above 0; siskin_request_init sets them");
  }
  siskin::Sampling to;
  to.temperature = from.temperature;
  to.top_k = from.top_k;
  to.top_p = from.top_p;
  to.min_p = from.min_p;
  to.repeat_penalty = from.repeat_penalty;
  to.repeat_last_n = from.repeat_last_n;
  to.seed = from.seed;
  return to;
}

siskin::ExpertKnobs read_knobs(const siskin::ModelInfo& info, const siskin_request& from) {
  siskin::ExpertKnobs knobs;
  if (from.expert_top_k_by_layer != nullptr) {
    knobs.top_k.assign(from.expert_top_k_by_layer, from.expert_top_k_by_layer + info.n_layers);
  } else if (from.expert_top_k != 0) {
    knobs.top_k = {from.expert_top_k};
  }
  if (from.expert_min_p != 0) knobs.min_probability = from.expert_min_p;
  if (from.expert_mask == nullptr) return knobs;
  knobs.drop.resize(info.n_layers);
  for (size_t i = 0; i < info.n_layers * info.n_experts; ++i) {
    if (from.expert_mask[i] == 0) knobs.drop[i / info.n_experts].push_back(static_cast<uint32_t>(i % info.n_experts));
  }
  return knobs;
}

Result<Request> read_request(const siskin::Model& model, const siskin_request* from) {
  SISKIN_TRY(const siskin_request given, read_struct(from, default_request(), "siskin_request"));
  if ((given.text == nullptr) == (given.tokens == nullptr)) return invalid("siskin_request: set either text or tokens");
  if (given.stop == nullptr && given.n_stop > 0) return invalid("siskin_request: stop is NULL, n_stop is not 0");
  Request request;
  if (given.text != nullptr) {
    SISKIN_TRY(request.tokens, model.tokenize(given.text));
  } else {
    request.tokens.assign(given.tokens, given.tokens + given.n_tokens);
  }
  SISKIN_TRY(request.sampling, read_sampling(given));
  request.max_new_tokens = given.max_new_tokens;
  request.ignore_eos = given.ignore_eos != 0;
  request.experts = read_knobs(model.info(), given);
  request.budget_ms = given.budget_ms;
  for (size_t i = 0; i < given.n_stop; ++i) {
    if (given.stop[i] == nullptr) return invalid("siskin_request: stop[" + std::to_string(i) + "] is NULL");
    request.stop.emplace_back(given.stop[i]);
  }
  if (given.on_token != nullptr) {
    request.on_token = [given, text = std::string()](const siskin::TokenEvent& event) mutable {
      text = event.text;  // closed by a NUL
      const siskin_token token{sizeof token, event.id, event.index, text.c_str(), text.size()};
      return given.on_token(given.user, &token) == 0;
    };
  }
  return request;
}

// Marks a session as in use for one call.
class Use {
 public:
  explicit Use(siskin_session& session) : session_(session), entered_(!session.in_use.exchange(true)) {}
  ~Use() {
    if (entered_) session_.in_use = false;
  }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  explicit operator bool() const { return entered_; }

 private:
  siskin_session& session_;
  bool entered_;
};

Result<Completion> run(siskin_session& s, Request request) {
  Session& session = *s.session;
  SISKIN_TRY(const RequestId id, session.submit(std::move(request)));
  siskin::Withdrawal withdrawal(session, id);
  for (;;) {
    if (s.cancel) session.cancel(id);
    SISKIN_TRY(const bool more, session.step());
    if (auto completion = session.take(id)) {
      withdrawal.done();
      return *std::move(completion);
    }
    if (!more) return siskin::Error{siskin::ErrorCode::out_of_memory, "the KV cache cannot hold this request"};
  }
}

}  // namespace

siskin_status siskin_session_create(const siskin_model* model, const siskin_session_options* options,
                                    siskin_session** session) {
  if (session != nullptr) *session = nullptr;
  return guarded([&]() -> Status {
    if (model == nullptr || session == nullptr) return invalid("siskin_session_create: model and session must not be NULL");
    siskin::SessionOptions create;
    create.max_requests = 1;
    if (options != nullptr) {
      SISKIN_TRY(const siskin_session_options given, read_struct(options, siskin_session_options{}, "siskin_session_options"));
      create.ctx = given.ctx;
      if (given.batch != 0) create.batch = given.batch;
      create.threads = given.threads;
      create.deterministic = given.deterministic != 0;
      if (given.kv_type < SISKIN_KV_F16 || given.kv_type > SISKIN_KV_Q8_0) {
        return invalid("siskin_session_options: kv_type " + std::to_string(given.kv_type) + ", expected a siskin_kv_type, 0 to " +
                       std::to_string(SISKIN_KV_Q8_0));
      }
      create.kv_type = static_cast<siskin::KvType>(given.kv_type);
      if (given.measure_machine != 0) {
        siskin::MachineOptions machine;
        machine.isa = model->model->isa();
        SISKIN_TRY(create.machine, siskin::machine_profile(machine));
      }
    }
    auto made = std::make_unique<siskin_session>();
    made->model = model->model;
    SISKIN_TRY(made->session, Session::create(model->model, create));
    *session = made.release();
    return {};
  });
}

void siskin_session_free(siskin_session* session) { delete session; }

void siskin_request_init(siskin_request* request, size_t size) {
  if (request == nullptr || size < sizeof(size_t)) return;
  const siskin_request defaults = default_request();
  std::memset(request, 0, size);
  std::memcpy(request, &defaults, std::min(size, sizeof defaults));
  request->size = size;
}

siskin_status siskin_generate(siskin_session* session, const siskin_request* request, const siskin_result** result) {
  if (result != nullptr) *result = nullptr;
  return guarded([&]() -> Status {
    if (session == nullptr || request == nullptr || result == nullptr) {
      return invalid("siskin_generate: session, request and result must not be NULL");
    }
    const Use use(*session);
    if (!use) return invalid("siskin_generate: the session is in use by another call");
    session->cancel = false;
    SISKIN_TRY(Request ready, read_request(*session->model, request));
    SISKIN_TRY(session->completion, run(*session, std::move(ready)));
    publish(*session);
    *result = &session->result;
    return {};
  });
}

void siskin_cancel(siskin_session* session) {
  if (session != nullptr) session->cancel = true;
}

const char* siskin_finish_name(siskin_finish finish) {
  return siskin::finish_reason_name(static_cast<siskin::FinishReason>(finish));
}

const char* siskin_role_name(size_t role) {
  return role < siskin::kRoles ? siskin::role_name(static_cast<siskin::Role>(role)) : nullptr;
}
