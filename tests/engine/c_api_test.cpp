// The C API: the same answers as the C++ one, every error a status with one line, nothing thrown across it.

#include <atomic>
#include <cstddef>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <siskin/session.h>
#include <siskin/siskin.h>
#include <siskin/version.h>

#include "tests/engine/tools_data.h"

extern "C" {
size_t siskin_test_c_sizes(size_t* sizes, size_t capacity);
siskin_load_options siskin_test_c_load_options(void);
}

namespace siskin {
namespace {

using tools_test::TempFolder;

struct FreeModel {
  void operator()(siskin_model* model) const { siskin_model_free(model); }
};
struct FreeSession {
  void operator()(siskin_session* session) const { siskin_session_free(session); }
};
using ModelHandle = std::unique_ptr<siskin_model, FreeModel>;
using SessionHandle = std::unique_ptr<siskin_session, FreeSession>;

ModelHandle load(const std::filesystem::path& path) {
  siskin_model* model = nullptr;
  if (siskin_model_load(path.c_str(), nullptr, &model) != SISKIN_OK) FAIL(siskin_error_message());
  return ModelHandle(model);
}

SessionHandle open(const ModelHandle& model, const siskin_session_options* options = nullptr) {
  siskin_session* session = nullptr;
  if (siskin_session_create(model.get(), options, &session) != SISKIN_OK) FAIL(siskin_error_message());
  return SessionHandle(session);
}

siskin_request greedy(const char* text, size_t n) {
  siskin_request request;
  siskin_request_init(&request, sizeof request);
  request.text = text;
  request.max_new_tokens = n;
  request.temperature = 0;
  request.ignore_eos = 1;
  return request;
}

const siskin_result& generate(const SessionHandle& session, const siskin_request& request) {
  const siskin_result* result = nullptr;
  if (siskin_generate(session.get(), &request, &result) != SISKIN_OK) FAIL(siskin_error_message());
  return *result;
}

void check_fails(const SessionHandle& session, const siskin_request& request, siskin_status status, const std::string& part) {
  const siskin_result* result = reinterpret_cast<const siskin_result*>(&request);
  CHECK(siskin_generate(session.get(), &request, &result) == status);
  CHECK(result == nullptr);
  CHECK_THAT(siskin_error_message(), Catch::Contains(part));
}

const std::filesystem::path& model_path() {
  static const std::filesystem::path path = places::zoo() / "dense-s-f16.gguf";
  return path;
}

// What callbacks see and say.
struct Watch {
  std::string text;
  std::vector<int32_t> ids;
  size_t stop_after = SIZE_MAX;
  siskin_session* cancel = nullptr;
};

int watch_token(void* user, const siskin_token* token) {
  Watch& watch = *static_cast<Watch*>(user);
  REQUIRE(token->index == watch.ids.size());
  REQUIRE(std::char_traits<char>::length(token->text) == token->text_bytes);
  watch.text += token->text;
  watch.ids.push_back(token->id);
  if (watch.cancel != nullptr && watch.ids.size() == 3) siskin_cancel(watch.cancel);
  return watch.ids.size() >= watch.stop_after;
}

}  // namespace

TEST_CASE("C sees the structs that C++ sees", "[c_api]") {
  const std::vector<size_t> expected = {sizeof(siskin_load_options), sizeof(siskin_info),       sizeof(siskin_session_options),
                                        sizeof(siskin_token),        sizeof(siskin_request),    sizeof(siskin_phase_cost),
                                        sizeof(siskin_result)};
  std::vector<size_t> sizes(expected.size());
  REQUIRE(siskin_test_c_sizes(sizes.data(), sizes.size()) == expected.size());
  CHECK(sizes == expected);
  CHECK(siskin_version() == std::string(version()));
}

TEST_CASE("a model loaded from C is the model that C++ loads", "[c_api]") {
  const siskin_load_options options = siskin_test_c_load_options();
  siskin_model* loaded = nullptr;
  REQUIRE(siskin_model_load(model_path().c_str(), &options, &loaded) == SISKIN_OK);
  const ModelHandle model(loaded);
  const auto expected = Model::load(model_path());
  REQUIRE(expected);
  const ModelInfo& want = (*expected)->info();
  const siskin_info& info = *siskin_model_info(model.get());
  CHECK(info.size == sizeof info);
  CHECK(info.name == want.name);
  CHECK(info.architecture == want.architecture);
  CHECK(info.type == want.type);
  CHECK(info.tokenizer == want.tokenizer);
  CHECK(info.isa == std::string("ref"));
  CHECK(info.n_layers == want.n_layers);
  CHECK(info.n_vocab == want.n_vocab);
  CHECK(info.total_params == want.total_params);
  CHECK(info.active_params == want.active_params);
  CHECK(info.weight_bytes > 0);
  CHECK(info.bos == (*expected)->bos());
  CHECK(info.eos == (*expected)->eos());

  const std::string text = "Once upon a time, 火 was new.";
  const auto ids = *(*expected)->tokenize(text);
  size_t n = 0;
  REQUIRE(siskin_tokenize(model.get(), text.data(), text.size(), 1, nullptr, 0, &n) == SISKIN_OK);
  REQUIRE(n == ids.size());
  std::vector<int32_t> tokens(n, -7);
  REQUIRE(siskin_tokenize(model.get(), text.data(), text.size(), 1, tokens.data(), n - 1, &n) == SISKIN_OK);
  CHECK(n == ids.size());
  CHECK(tokens.back() == -7);  // nothing is written beyond the capacity
  REQUIRE(siskin_tokenize(model.get(), text.data(), text.size(), 1, tokens.data(), n, &n) == SISKIN_OK);
  CHECK(tokens == ids);

  size_t bytes = 0;
  REQUIRE(siskin_detokenize(model.get(), tokens.data(), n, nullptr, 0, &bytes) == SISKIN_OK);
  REQUIRE(bytes == text.size());
  std::vector<char> back(bytes + 2, 'x');
  REQUIRE(siskin_detokenize(model.get(), tokens.data(), n, back.data(), 5, &bytes) == SISKIN_OK);
  CHECK(std::string(back.data()) == text.substr(0, 4));
  CHECK(back[5] == 'x');
  REQUIRE(siskin_detokenize(model.get(), tokens.data(), n, back.data(), bytes + 1, &bytes) == SISKIN_OK);
  CHECK(std::string(back.data()) == text);
  CHECK(back[bytes + 1] == 'x');

  const int32_t beyond = static_cast<int32_t>(info.n_vocab);
  CHECK(siskin_detokenize(model.get(), &beyond, 1, back.data(), back.size(), &bytes) == SISKIN_INVALID_ARGUMENT);
  CHECK(bytes == 0);
}

TEST_CASE("siskin_generate gives what Session::generate gives", "[c_api]") {
  ModelHandle model = load(model_path());
  const SessionHandle session = open(model);
  Watch watch;
  siskin_request request = greedy("Once upon a time", 24);
  request.on_token = watch_token;
  request.user = &watch;
  const siskin_result& result = generate(session, request);

  const auto cpp_model = *Model::load(model_path());
  Request cpp_request;
  cpp_request.tokens = *cpp_model->tokenize("Once upon a time");
  cpp_request.max_new_tokens = 24;
  cpp_request.sampling.temperature = 0;
  cpp_request.ignore_eos = true;
  const auto completion = (*Session::create(cpp_model))->generate(cpp_request);
  REQUIRE(completion);

  CHECK(result.size == sizeof result);
  CHECK(result.finish == SISKIN_FINISH_LENGTH);
  CHECK(std::string(result.text, result.text_bytes) == completion->text);
  CHECK(std::vector<int32_t>(result.tokens, result.tokens + result.n_tokens) == completion->ids);
  CHECK(watch.ids == completion->ids);
  CHECK(completion->text.starts_with(watch.text));  // the end may have been held back
  CHECK(result.prompt_tokens == completion->prompt_tokens);
  CHECK(result.first_token_s > 0);
  CHECK(result.total_s >= result.first_token_s);
  const std::pair<const siskin_phase_cost*, const PhaseCost*> phases[] = {{result.prefill, &completion->cost.prefill},
                                                                         {result.decode, &completion->cost.decode}};
  for (const auto& [got, want] : phases) {
    CHECK(got->size == sizeof *got);
    CHECK(got->tokens == want->tokens);
    CHECK(got->params_touched == want->params_touched);
    CHECK(got->weight_bytes == want->weight_bytes);
    CHECK(got->kv_read_bytes == want->kv_read_bytes);
    CHECK(got->kv_write_bytes == want->kv_write_bytes);
    CHECK(got->flops_f32 == want->flops_f32);
    CHECK(got->seconds > 0);
    CHECK(got->bandwidth_share < 0);  // nobody asked to measure the machine
    REQUIRE(got->n_roles == kRoles);
    uint64_t sum = 0;
    for (size_t role = 0; role < got->n_roles; ++role) {
      CHECK(got->weight_bytes_by_role[role] == want->weight_bytes_by_role[role]);
      CHECK(siskin_role_name(role) == std::string(role_name(static_cast<Role>(role))));
      sum += got->weight_bytes_by_role[role];
    }
    CHECK(sum == got->weight_bytes);
  }
  CHECK(siskin_role_name(kRoles) == nullptr);
  CHECK(nlohmann::json::parse(result.cost_json)["decode"]["weight_bytes"] == result.decode->weight_bytes);
  CHECK_THAT(result.cost_text, Catch::Contains("decode"));

  // The prompt as ids, and the handle of the model gone before its session.
  const std::vector<int32_t> ids = completion->ids;
  siskin_request by_ids = greedy(nullptr, 24);
  by_ids.tokens = cpp_request.tokens.data();
  by_ids.n_tokens = cpp_request.tokens.size();
  model.reset();
  const siskin_result& again = generate(session, by_ids);
  CHECK(std::vector<int32_t>(again.tokens, again.tokens + again.n_tokens) == ids);
}

TEST_CASE("a request from C uses a mixture's experts as it says", "[c_api]") {
  const ModelHandle model = load(places::zoo() / "moe-8x-f16.gguf");
  const SessionHandle session = open(model);
  const siskin_info& info = *siskin_model_info(model.get());
  siskin_request request = greedy("Once upon a time", 12);
  const siskin_result& own = generate(session, request);
  CHECK(own.expert_top_k == info.top_k);
  REQUIRE(own.decode->n_layers == info.n_layers);
  uint64_t reads = 0;
  for (size_t layer = 0; layer < info.n_layers; ++layer) reads += own.decode->experts_by_layer[layer].reads;
  CHECK(reads == own.decode->expert_reads);
  CHECK(reads == own.decode->steps * info.n_layers * info.top_k);
  CHECK(own.decode->expert_disk_reads == 0);

  request.expert_top_k = 1;
  CHECK(generate(session, request).expert_top_k == 1);
  std::vector<uint32_t> by_layer(info.n_layers, 1);
  by_layer.back() = 4;
  request.expert_top_k_by_layer = by_layer.data();
  const siskin_result& layered = generate(session, request);
  CHECK(layered.expert_top_k == 4);
  CHECK(layered.decode->experts_by_layer[0].reads == layered.decode->steps);
  CHECK(layered.decode->experts_by_layer[info.n_layers - 1].reads == 4 * layered.decode->steps);

  std::vector<unsigned char> mask(info.n_layers * info.n_experts, 0);
  request.expert_mask = mask.data();
  check_fails(session, request, SISKIN_INVALID_ARGUMENT, "nothing is left");
  for (size_t layer = 0; layer < info.n_layers; ++layer) mask[layer * info.n_experts + 3] = 1;
  CHECK(generate(session, request).decode->experts_touched == info.n_layers);  // the one that is left
  request.expert_min_p = 2;
  check_fails(session, request, SISKIN_INVALID_ARGUMENT, "min-p");
}

TEST_CASE("a mask from C says nothing of layers without experts", "[c_api]") {
  const ModelHandle model = load(places::golden() / "families/deepseek");  // its first layer has none
  const SessionHandle session = open(model);
  const siskin_info& info = *siskin_model_info(model.get());
  const std::vector<int32_t> ids = {5, 9, 13};
  siskin_request request = greedy(nullptr, 6);
  request.tokens = ids.data();
  request.n_tokens = ids.size();
  const siskin_result& all = generate(session, request);
  const std::vector<int32_t> expected(all.tokens, all.tokens + all.n_tokens);
  std::vector<unsigned char> mask(info.n_layers * info.n_experts, 1);
  std::fill_n(mask.begin(), info.n_experts, static_cast<unsigned char>(0));
  request.expert_mask = mask.data();
  const siskin_result& masked = generate(session, request);
  CHECK(std::vector<int32_t>(masked.tokens, masked.tokens + masked.n_tokens) == expected);
  std::fill_n(mask.begin() + info.n_experts, info.n_experts, static_cast<unsigned char>(0));
  check_fails(session, request, SISKIN_INVALID_ARGUMENT, "nothing is left of layer 1");
}

TEST_CASE("a request from C stops where it is told to", "[c_api]") {
  const ModelHandle model = load(model_path());
  const SessionHandle session = open(model);
  const siskin_result& whole = generate(session, greedy("Once upon a time", 24));
  const std::string text(whole.text);
  const std::string stop_text = text.substr(text.size() / 2, 3);

  siskin_request request = greedy("Once upon a time", 24);
  const char* stops[] = {"\x01 never", stop_text.c_str()};
  request.stop = stops;
  request.n_stop = 2;
  const siskin_result& stopped = generate(session, request);
  CHECK(stopped.finish == SISKIN_FINISH_STOP);
  CHECK(std::string(stopped.text) == text.substr(0, text.find(stop_text)));

  Watch watch;
  watch.stop_after = 5;
  request = greedy("Once upon a time", 24);
  request.on_token = watch_token;
  request.user = &watch;
  const siskin_result& cancelled = generate(session, request);
  CHECK(cancelled.finish == SISKIN_FINISH_CANCELLED);
  CHECK(siskin_finish_name(cancelled.finish) == std::string("cancelled"));
  CHECK(cancelled.n_tokens == 5);

  Watch from_inside;
  from_inside.cancel = session.get();
  request.user = &from_inside;
  CHECK(generate(session, request).finish == SISKIN_FINISH_CANCELLED);
  CHECK(from_inside.ids.size() == 3);

  siskin_cancel(session.get());  // nothing runs: the next request is not touched
  CHECK(generate(session, greedy("Once upon a time", 4)).finish == SISKIN_FINISH_LENGTH);
}

TEST_CASE("a session from C keeps K and V in the type it names", "[c_api]") {
  const ModelHandle model = load(model_path());
  uint64_t written[4] = {};
  for (int type = SISKIN_KV_F16; type <= SISKIN_KV_Q8_0; ++type) {
    siskin_session_options options{};
    options.size = sizeof options;
    options.kv_type = type;
    const SessionHandle session = open(model, &options);
    written[type] = generate(session, greedy("Once", 4)).decode->kv_write_bytes;
  }
  CHECK(written[SISKIN_KV_F32] == 2 * written[SISKIN_KV_F16]);
  CHECK(written[SISKIN_KV_BF16] == written[SISKIN_KV_F16]);
  CHECK(written[SISKIN_KV_Q8_0] < written[SISKIN_KV_F16]);
}

TEST_CASE("another thread cancels a request from C", "[c_api]") {
  const ModelHandle model = load(model_path());
  const SessionHandle session = open(model);
  struct Shared {
    std::atomic<bool> started = false;
    std::atomic<bool> cancelled = false;
  } shared;
  siskin_request request = greedy("Once upon a time", 100);
  request.user = &shared;
  // Holds the request at its first token until the other thread has cancelled it.
  request.on_token = [](void* user, const siskin_token*) {
    Shared& s = *static_cast<Shared*>(user);
    s.started = true;
    while (!s.cancelled) std::this_thread::yield();
    return 0;
  };
  std::thread other([&] {
    while (!shared.started) std::this_thread::yield();
    const siskin_result* result = nullptr;
    const siskin_request second = greedy("x", 1);
    const siskin_status status = siskin_generate(session.get(), &second, &result);
    const std::string message = siskin_error_message();
    siskin_cancel(session.get());
    shared.cancelled = true;
    CHECK(status == SISKIN_INVALID_ARGUMENT);
    CHECK_THAT(message, Catch::Contains("in use"));
  });
  const siskin_result* result = nullptr;
  const siskin_status status = siskin_generate(session.get(), &request, &result);
  other.join();
  REQUIRE(status == SISKIN_OK);
  CHECK(result->finish == SISKIN_FINISH_CANCELLED);
  CHECK(result->n_tokens == 1);
}

TEST_CASE("what C gets wrong is a status and one line", "[c_api]") {
  siskin_model* none = reinterpret_cast<siskin_model*>(1);
  CHECK(siskin_model_load("/nonexistent/model.gguf", nullptr, &none) == SISKIN_NOT_FOUND);
  CHECK(none == nullptr);
  const std::string message = siskin_error_message();
  CHECK_THAT(message, Catch::Contains("/nonexistent/model.gguf") && !Catch::Contains("\n"));
  std::thread([] { CHECK(siskin_error_message() == std::string()); }).join();  // each thread has its own
  CHECK(siskin_error_message() == message);
  CHECK(siskin_model_load(nullptr, nullptr, &none) == SISKIN_INVALID_ARGUMENT);
  CHECK(siskin_model_load("x", nullptr, nullptr) == SISKIN_INVALID_ARGUMENT);
  {
    const TempFolder folder;
    std::ofstream(folder / "bad.gguf") << "GGUF and then nothing that could be read as one";
    siskin_model* bad = nullptr;
    const siskin_status status = siskin_model_load((folder / "bad.gguf").c_str(), nullptr, &bad);
    CHECK((status == SISKIN_CORRUPT_FILE || status == SISKIN_UNSUPPORTED));
    CHECK(bad == nullptr);
  }
  siskin_load_options options{};
  options.size = sizeof options;
  options.on_progress = [](void*, uint64_t, uint64_t) { return 1; };
  CHECK(siskin_model_load(model_path().c_str(), &options, &none) == SISKIN_CANCELLED);
  options.on_progress = nullptr;
  options.isa = "z80";
  CHECK(siskin_model_load(model_path().c_str(), &options, &none) == SISKIN_INVALID_ARGUMENT);

  siskin_model_free(nullptr);
  siskin_session_free(nullptr);
  siskin_cancel(nullptr);
  CHECK(siskin_model_info(nullptr) == nullptr);
  siskin_session* no_session = nullptr;
  CHECK(siskin_session_create(nullptr, nullptr, &no_session) == SISKIN_INVALID_ARGUMENT);

  const ModelHandle model = load(model_path());
  siskin_session_options small{};
  small.size = sizeof small;
  small.ctx = 1;
  CHECK(siskin_session_create(model.get(), &small, &no_session) == SISKIN_INVALID_ARGUMENT);
  small.ctx = 16;
  small.kv_type = SISKIN_KV_Q8_0 + 1;
  CHECK(siskin_session_create(model.get(), &small, &no_session) == SISKIN_INVALID_ARGUMENT);
  CHECK(std::string(siskin_error_message()).find("kv_type 4") != std::string::npos);
  small.kv_type = SISKIN_KV_F16;
  const SessionHandle session = open(model, &small);
  check_fails(session, greedy(nullptr, 4), SISKIN_INVALID_ARGUMENT, "either text or tokens");
  const std::vector<int32_t> many(17, 5);
  siskin_request request = greedy(nullptr, 4);
  request.tokens = many.data();
  request.n_tokens = 17;
  check_fails(session, request, SISKIN_INVALID_ARGUMENT, "context holds 16");
  request.n_tokens = 0;
  check_fails(session, request, SISKIN_INVALID_ARGUMENT, "no tokens");
  const int32_t beyond = 1 << 30;
  request.tokens = &beyond;
  request.n_tokens = 1;
  check_fails(session, request, SISKIN_INVALID_ARGUMENT, "token id");
  request = greedy("a", 4);
  request.n_stop = 1;
  check_fails(session, request, SISKIN_INVALID_ARGUMENT, "stop");
  request = siskin_request{};  // never initialised
  request.size = sizeof request;
  request.text = "a";
  check_fails(session, request, SISKIN_INVALID_ARGUMENT, "siskin_request_init");
  CHECK(generate(session, greedy("a", 100)).finish == SISKIN_FINISH_CONTEXT_FULL);
}

TEST_CASE("structs of other sizes are read by their size", "[c_api]") {
  const ModelHandle model = load(model_path());
  const SessionHandle session = open(model);
  siskin_request request = greedy("Once", 3);
  request.size = 0;
  check_fails(session, request, SISKIN_INVALID_ARGUMENT, "size 0");
  request.size = size_t{1} << 40;
  check_fails(session, request, SISKIN_INVALID_ARGUMENT, "expected sizeof");

  // A program of the time when the request ended with max_new_tokens: the rest takes its defaults, whatever lies behind.
  request = greedy("Once", 3);
  request.size = offsetof(siskin_request, seed);
  request.repeat_penalty = -1;
  request.stop = nullptr;
  request.n_stop = 9;
  CHECK(generate(session, request).n_tokens <= 3);

  // A program of a later time.
  struct Later {
    siskin_request request;
    uint64_t added;
  } later = {greedy("Once", 3), 0};
  later.request.size = sizeof later;
  CHECK(generate(session, later.request).n_tokens == 3);
  later.added = 1;
  check_fails(session, later.request, SISKIN_INVALID_ARGUMENT, "does not know");
  siskin_request_init(&later.request, sizeof later);
  CHECK(later.request.size == sizeof later);
  CHECK(later.added == 0);
}

TEST_CASE("an exception of a callback ends its request, not the session", "[c_api]") {
  const ModelHandle model = load(model_path());
  const SessionHandle session = open(model);
  siskin_request request = greedy("Once upon a time", 8);
  Watch watch;
  request.user = &watch;
  request.on_token = [](void* user, const siskin_token* token) -> int {
    static_cast<Watch*>(user)->ids.push_back(token->id);
    throw std::runtime_error("thrown by a callback");
  };
  check_fails(session, request, SISKIN_INTERNAL, "thrown by a callback");
  request.on_token = [](void*, const siskin_token*) -> int { throw std::bad_alloc(); };
  check_fails(session, request, SISKIN_OUT_OF_MEMORY, "out of memory");
  request.on_token = [](void*, const siskin_token*) -> int { throw 7; };
  check_fails(session, request, SISKIN_INTERNAL, "exception");
  // The request that threw is gone: its callback is not called again.
  CHECK(generate(session, greedy("Once upon a time", 8)).n_tokens == 8);
  CHECK(watch.ids.size() == 1);
}

}  // namespace siskin
