// Sessions: the same bits for any number of threads, the same tokens alone and in company, and honest ends.

#include <siskin/session.h>
#include <siskin/synth.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cmath>

#include "engine/model_impl.h"
#include "kernels/select.h"
#include "tests/engine/plain_tiles.h"
#include "tests/engine/sessions.h"
#include "tests/engine/tools_data.h"

namespace siskin {
namespace {

using test::greedy;
using test::load;
using test::logits_of;
using test::some_tokens;
using tools_test::TempFolder;

std::filesystem::path write_model(const TempFolder& folder, const std::string& type, size_t n_experts) {
  const std::filesystem::path shape = folder / "tiny.txt";
  std::ofstream(shape)
      << "name = tiny\narchitecture = llama\nn_layers = 2\nd_model = 128\nn_heads = 4\nn_kv_heads = 2\nhead_dim = 32\n"
      << "d_ff = 160\nn_experts = " << n_experts << "\ntop_k = " << (n_experts > 0 ? 2 : 0)
      << "\nn_vocab = 300\nctx = 256\nrope_theta = 10000\ntied = 1\n";
  SynthOptions options;
  options.like = shape.string();
  options.type = type;
  if (const auto report = synthesize_model(folder / "tiny.gguf", options); !report) FAIL(report.error().message);
  return folder / "tiny.gguf";
}

std::unique_ptr<Session> open(const std::shared_ptr<const Model>& model, unsigned threads = 2, size_t batch = 512,
                              bool deterministic = false) {
  SessionOptions options;
  options.deterministic = deterministic;
  options.threads = threads;
  options.batch = batch;
  auto session = Session::create(model, options);
  if (!session) FAIL(session.error().message);
  return std::move(*session);
}

}  // namespace

TEST_CASE("logits are bit-identical for any number of threads", "[session]") {
  for (const char* type : {"f32", "f16", "bf16", "q8_0", "q4_0", "q5_1", "mxfp4"}) {
    for (const size_t n_experts : {size_t{0}, size_t{5}}) {
      const TempFolder folder;
      const auto path = write_model(folder, type, n_experts);
      const auto tokens = some_tokens(75);
      for (const Isa& isa : available_isas()) {
        const auto model = load(path, isa.name);
        for (const size_t chunk : {size_t{1}, size_t{7}, size_t{512}}) {
          CAPTURE(type, n_experts, isa.name, chunk);
          const auto one = logits_of(*open(model, 1), tokens, chunk);
          REQUIRE(one.size() == tokens.size() * 300);
          for (const float value : one) REQUIRE(std::isfinite(value));
          for (const unsigned threads : {2u, 4u}) REQUIRE(one == logits_of(*open(model, threads), tokens, chunk));
        }
      }
    }
  }
}

TEST_CASE("instruction sets agree on a whole model", "[session]") {
  // Integer dots are exact and the float sums of int8 types follow one order; what differs is the order of f32 sums (k up to
  // 160, c*k*eps ~ 4e-5 of a sum's magnitude) and KV values that round to the other F16 neighbour (2^-11): well under 1 % in
  // all.
  for (const char* type : {"f32", "f16", "bf16", "q8_0", "q4_0", "q5_1", "mxfp4"}) {
    const TempFolder folder;
    const auto path = write_model(folder, type, 0);
    const auto tokens = some_tokens(60);
    std::vector<float> ref = logits_of(*open(load(path, "ref"), 2, 512, true), tokens, 60);
    float largest = 0;
    for (const float value : ref) largest = std::max(largest, std::abs(value));
    for (const Isa& isa : available_isas()) {
      const auto logits = logits_of(*open(load(path, isa.name), 2, 512, true), tokens, 60);
      float difference = 0;
      for (size_t i = 0; i < ref.size(); ++i) difference = std::max(difference, std::abs(ref[i] - logits[i]));
      CAPTURE(type, isa.name, difference, largest);
      CHECK(difference <= 0.01f * largest);
    }
  }
}

TEST_CASE("deterministic sessions give the same bits for any cut of the prompt", "[session]") {
  for (const char* type : {"f32", "f16", "bf16", "q8_0", "q4_0"}) {
    const TempFolder folder;
    const auto path = write_model(folder, type, 5);
    const auto tokens = some_tokens(75);
    for (const Isa& isa : available_isas()) {
      const auto model = load(path, isa.name);
      const auto one = logits_of(*open(model, 2, 512, true), tokens, 1);
      for (const size_t chunk : {size_t{7}, size_t{40}, size_t{512}}) {
        CAPTURE(type, isa.name, chunk);
        REQUIRE(one == logits_of(*open(model, 2, 512, true), tokens, chunk));
      }
    }
  }
}

TEST_CASE("steps of many rows run on bf16 where the table has it", "[session]") {
  // Each factor is rounded by at most 2^-9, to either side: some 0.3 % of a sum's magnitude per matmul, seven of them in each
  // of two layers and the head.
  const Isa tiles = test::with_plain_tiles(available_isas().back());
  for (const char* type : {"f32", "f16", "bf16", "q8_0", "q4_0", "q5_1"}) {
    for (const size_t n_experts :
         {size_t{0}, size_t{2}}) {  // both of them for every token: nothing for a rounding to turn over
      const TempFolder folder;
      const auto model = load(write_model(folder, type, n_experts));
      const_cast<Model::Impl&>(model->impl()).isa = &tiles;
      const auto tokens = some_tokens(75);
      const auto exact = logits_of(*open(model, 2, 512, true), tokens, 75);
      const auto fast = logits_of(*open(model, 2), tokens, 75);
      float difference = 0, largest = 0;
      for (size_t i = 0; i < exact.size(); ++i) {
        difference = std::max(difference, std::abs(exact[i] - fast[i]));
        largest = std::max(largest, std::abs(exact[i]));
      }
      CAPTURE(type, n_experts, difference, largest);
      CHECK((difference > 0) == (type != std::string("f32")));
      CHECK(difference <= 0.03f * largest);
      for (const unsigned threads : {1u, 4u}) REQUIRE(fast == logits_of(*open(model, threads), tokens, 75));
      CHECK(logits_of(*open(model, 2), tokens, 7) ==
            logits_of(*open(model, 2, 512, true), tokens, 7));  // few rows: the type's own
    }
  }
}

TEST_CASE("a request gives the same tokens alone and beside others", "[session]") {
  const size_t n_experts = GENERATE(size_t{0}, size_t{5});
  const TempFolder folder;
  // q8_0: its sums have one order for any number of rows, so that the comparison is exact.
  const auto model = load(write_model(folder, "q8_0", n_experts));
  std::vector<std::vector<TokenId>> alone;
  for (size_t i = 0; i < 5; ++i) {
    const auto completion = open(model, 2, 512, true)->generate(greedy(some_tokens(3 + 20 * i, i), 12));
    REQUIRE(completion);
    REQUIRE(completion->finish_reason == FinishReason::length);
    alone.push_back(completion->ids);
  }
  auto session = open(model, 2, 32, true);
  std::vector<RequestId> ids;
  for (size_t i = 0; i < 5; ++i) {
    const auto id = session->submit(greedy(some_tokens(3 + 20 * i, i), 12));
    REQUIRE(id);
    ids.push_back(*id);
    REQUIRE(session->step());
  }
  for (bool more = true; more;) {
    const auto stepped = session->step();
    REQUIRE(stepped);
    more = *stepped;
  }
  for (size_t i = 0; i < 5; ++i) {
    const auto completion = session->take(ids[i]);
    REQUIRE(completion);
    CHECK(completion->ids == alone[i]);
  }
}

TEST_CASE("requests end for the reason they say", "[session]") {
  const TempFolder folder;
  const auto model = load(write_model(folder, "f16", 0));
  SECTION("the context is full") {
    const auto completion = open(model)->generate(greedy(some_tokens(250), 100));
    REQUIRE(completion);
    CHECK(completion->finish_reason == FinishReason::context_full);
    CHECK(completion->ids.size() == 7);  // 256 positions hold 250 + 6; the seventh is predicted from the last
  }
  SECTION("a callback cancels") {
    Request request = greedy(some_tokens(4), 50);
    request.on_token = [](const TokenEvent& event) { return event.index < 2; };
    const auto completion = open(model)->generate(std::move(request));
    REQUIRE(completion);
    CHECK(completion->finish_reason == FinishReason::cancelled);
    CHECK(completion->ids.size() == 3);
  }
  SECTION("cancel by id, waiting or running") {
    auto session = open(model);
    const auto id = session->submit(greedy(some_tokens(4), 50));
    REQUIRE(id);
    REQUIRE(session->step());
    session->cancel(*id);
    const auto more = session->step();
    REQUIRE(more);
    CHECK_FALSE(*more);
    const auto completion = session->take(*id);
    REQUIRE(completion);
    CHECK(completion->finish_reason == FinishReason::cancelled);
    CHECK_FALSE(session->take(*id));
  }
  SECTION("the seed decides what is sampled") {
    Request request = greedy(some_tokens(4), 30);
    request.sampling.temperature = 1.5f;
    request.sampling.seed = 5;
    const auto a = open(model)->generate(request), b = open(model)->generate(request);
    request.sampling.seed = 6;
    const auto c = open(model)->generate(request);
    REQUIRE(a);
    REQUIRE(b);
    REQUIRE(c);
    CHECK(a->ids == b->ids);
    CHECK(a->ids != c->ids);
  }
}

TEST_CASE("what cannot be asked is refused in a sentence", "[session]") {
  const TempFolder folder;
  const auto model = load(write_model(folder, "f16", 0));
  auto session = open(model);
  CHECK(session->submit(greedy({}, 5)).error().code == ErrorCode::invalid_argument);
  CHECK(session->submit(greedy({300}, 5)).error().code == ErrorCode::invalid_argument);
  CHECK(session->submit(greedy({-1}, 5)).error().code == ErrorCode::invalid_argument);
  CHECK(session->submit(greedy(some_tokens(257), 5)).error().message.find("256") != std::string::npos);
  SessionOptions options;
  options.ctx = size_t{1} << 30;
  const auto absurd = Session::create(model, options);
  REQUIRE_FALSE(absurd);
  CHECK(absurd.error().code == ErrorCode::out_of_memory);
}

}  // namespace siskin
