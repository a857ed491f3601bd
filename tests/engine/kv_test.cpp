// The KV cache's types in whole sessions: the same bits however positions are cut into steps and spans, values close to F32's;
// and requests that leave: cancelled, withdrawn, or thrown out by their own callback.

#include <siskin/session.h>
#include <siskin/synth.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <stdexcept>

#include "kernels/select.h"
#include "tests/engine/sessions.h"
#include "tests/engine/tools_data.h"

namespace siskin {
namespace {

using test::greedy;
using test::logits_of;
using test::some_tokens;
using tools_test::TempFolder;

std::shared_ptr<const Model> tiny_model(const TempFolder& folder, const std::string& isa = {},
                                        const std::string& type = "q8_0") {
  std::ofstream(folder / "tiny.txt")
      << "name = tiny\narchitecture = llama\nn_layers = 2\nd_model = 128\nn_heads = 6\nn_kv_heads = 2\n"
      << "head_dim = 48\nd_ff = 160\nn_experts = 0\ntop_k = 0\nn_vocab = 300\nctx = 1024\n"
      << "rope_theta = 10000\ntied = 1\n";
  SynthOptions options;
  options.like = (folder / "tiny.txt").string();
  options.type = type;
  if (const auto report = synthesize_model(folder / "tiny.gguf", options); !report) FAIL(report.error().message);
  return test::load(folder / "tiny.gguf", isa);
}

std::unique_ptr<Session> open(const std::shared_ptr<const Model>& model, KvType type, unsigned threads = 2,
                              bool deterministic = false) {
  SessionOptions options;
  options.deterministic = deterministic;
  options.threads = threads;
  options.kv_type = type;
  auto session = Session::create(model, options);
  if (!session) FAIL(session.error().message);
  return std::move(*session);
}

}  // namespace

TEST_CASE("KV types have names", "[kv]") {
  for (const KvType type : {KvType::f16, KvType::f32, KvType::bf16, KvType::q8_0}) {
    const auto found = kv_type_of(kv_type_name(type));
    REQUIRE(found);
    CHECK(*found == type);
  }
  const auto unknown = kv_type_of("q3");
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().code == ErrorCode::invalid_argument);
  CHECK(unknown.error().message.find("f16, f32, bf16, q8_0") != std::string::npos);
}

TEST_CASE("each KV type gives the same bits for any threads and steps", "[kv]") {
  const TempFolder folder;
  const auto tokens = some_tokens(530);  // three spans
  // Deterministic, so that steps of any size can be compared bit by bit; otherwise long ones attend in bf16.
  for (const Isa& isa : available_isas()) {
    const auto model = tiny_model(folder, isa.name);
    for (const KvType type : {KvType::f16, KvType::f32, KvType::bf16, KvType::q8_0}) {
      CAPTURE(isa.name, kv_type_name(type));
      const auto whole = logits_of(*open(model, type, 1, true), tokens, 530);
      REQUIRE(std::all_of(whole.begin(), whole.end(), [](float value) { return std::isfinite(value); }));
      REQUIRE(whole == logits_of(*open(model, type, 1, true), tokens, 1));
      REQUIRE(whole == logits_of(*open(model, type, 2, true), tokens, 37));
      REQUIRE(logits_of(*open(model, type, 1), tokens, 530) == logits_of(*open(model, type, 2), tokens, 530));
    }
  }
}

TEST_CASE("KV types differ by what they round", "[kv]") {
  const TempFolder folder;
  const auto model =
      tiny_model(folder, {}, "f32");  // no activations in int8, whose rounding would jump with the smallest change
  const auto tokens = some_tokens(300);
  const auto exact = logits_of(*open(model, KvType::f32), tokens, 300);
  float largest = 0;
  for (const float value : exact) largest = std::max(largest, std::abs(value));
  // A value's relative rounding is at most 2^-11 and 2^-8; in Q8_0 1/254 of the largest of 32. Two layers pass it on, in K and
  // V.
  for (const auto& [type, rounding] : {std::pair{KvType::f16, 0x1p-11f}, {KvType::bf16, 0x1p-8f}, {KvType::q8_0, 1 / 254.0f}}) {
    const auto logits = logits_of(*open(model, type), tokens, 300);
    float difference = 0;
    for (size_t i = 0; i < exact.size(); ++i) difference = std::max(difference, std::abs(exact[i] - logits[i]));
    CAPTURE(kv_type_name(type), difference, largest);
    CHECK(difference > 0);
    CHECK(difference <= 4 * rounding * largest);
  }
}

TEST_CASE("a callback that throws takes its request with it", "[kv]") {
  const TempFolder folder;
  auto session = open(tiny_model(folder), KvType::f16);
  size_t calls = 0;
  Request request = greedy(some_tokens(5), 20);
  request.on_token = [&](const TokenEvent&) -> bool {
    if (++calls == 3) throw std::runtime_error("enough");
    return true;
  };
  CHECK_THROWS_AS(static_cast<void>(session->generate(std::move(request))), std::runtime_error);
  const auto more = session->step();
  REQUIRE(more);
  CHECK_FALSE(*more);
  CHECK(calls == 3);
  const auto next = session->generate(greedy(some_tokens(4), 6));
  REQUIRE(next);
  CHECK(next->ids.size() == 6);
}

TEST_CASE("cancelled requests end, withdrawn ones leave nothing", "[kv]") {
  const TempFolder folder;
  auto session = open(tiny_model(folder), KvType::f16);
  session->cancel(1);  // not submitted yet: nobody's
  std::vector<RequestId> ids;
  for (size_t i = 0; i < 3; ++i) {
    const auto id = session->submit(greedy(some_tokens(4 + i), 8));
    REQUIRE(id);
    ids.push_back(*id);
  }
  REQUIRE(session->step());
  session->cancel(ids[0]);
  session->cancel(ids[0]);
  session->withdraw(ids[1]);
  session->withdraw(ids[1] + 100);
  for (bool more = true; more;) {
    const auto stepped = session->step();
    REQUIRE(stepped);
    more = *stepped;
  }
  const auto cancelled = session->take(ids[0]), withdrawn = session->take(ids[1]), finished = session->take(ids[2]);
  REQUIRE(cancelled);
  CHECK(cancelled->finish_reason == FinishReason::cancelled);
  CHECK(cancelled->ids.size() == 1);
  CHECK_FALSE(withdrawn);
  REQUIRE(finished);
  CHECK(finished->ids.size() == 8);
}

}  // namespace siskin
