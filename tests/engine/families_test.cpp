// Tiny random models of every family but llama against transformers' float64 logits (tests/golden/families/make.py wrote both),
// on every instruction set; and their ledgers against what the kernels read, sliding windows included.

#include <siskin/session.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "engine/model_impl.h"
#include "kernels/select.h"
#include "tests/engine/counting_table.h"
#include "tests/engine/tools_data.h"

namespace siskin {
namespace {

constexpr const char* kModels[] = {"qwen2", "qwen2_tied", "gemma3"};

std::filesystem::path golden(const std::string& name) { return places::golden() / "families" / name; }

std::shared_ptr<const Model> load(const std::string& name, const std::string& isa) {
  LoadOptions options;
  options.isa = isa;
  auto model = Model::load(golden(name), options);
  if (!model) FAIL(model.error().message);
  return *model;
}

std::vector<float> logits_of(const std::shared_ptr<const Model>& model, const std::vector<TokenId>& ids) {
  auto session = Session::create(model);
  REQUIRE(session);
  auto logits = (*session)->logits(ids);
  REQUIRE(logits);
  return *logits;
}

}  // namespace

TEST_CASE("tiny models of each family give transformers' logits on every instruction set", "[parity]") {
  for (const char* name : kModels) {
    const auto reference = nlohmann::json::parse(tools_test::read_file(golden(std::string(name) + ".json")));
    const auto expected = reference["logits"].get<std::vector<double>>();
    for (const Isa& isa : available_isas()) {
      const auto logits = logits_of(load(name, isa.name), reference["ids"].get<std::vector<TokenId>>());
      REQUIRE(logits.size() == expected.size());
      double difference = 0, largest = 0;
      for (size_t i = 0; i < expected.size(); ++i) {
        difference = std::max(difference, std::abs(double{logits[i]} - expected[i]));
        largest = std::max(largest, std::abs(expected[i]));
      }
      CAPTURE(name, isa.name, difference, largest);
      // K and V are kept in F16: each carries a relative error of up to 2^-11 into two or three layers.
      CHECK(difference <= 4.0 / 2048 * largest);
    }
  }
}

TEST_CASE("a step that starts inside a text sees the same window as one step over all of it", "[parity]") {
  const auto reference = nlohmann::json::parse(tools_test::read_file(golden("gemma3.json")));
  const auto ids = reference["ids"].get<std::vector<TokenId>>();
  const auto model = load("gemma3", "");
  Request request;
  request.tokens = ids;
  request.max_new_tokens = 12;  // past the window of 8 again
  request.ignore_eos = true;
  request.sampling.temperature = 0;
  std::vector<std::vector<TokenId>> answers;
  for (const size_t batch : {size_t{512}, size_t{5}}) {
    SessionOptions options;
    options.batch = batch;
    auto session = Session::create(model, options);
    REQUIRE(session);
    const auto id = (*session)->submit(request);
    REQUIRE(id);
    while (true) {
      const auto more = (*session)->step();
      REQUIRE(more);
      if (!*more) break;
    }
    const auto completion = (*session)->take(*id);
    REQUIRE(completion);
    answers.push_back(completion->ids);
  }
  CHECK(answers[0].size() == 12);
  CHECK(answers[0] == answers[1]);
}

TEST_CASE("the ledger of each family equals what the kernels read", "[ledger]") {
  for (const char* name : kModels) {
    CAPTURE(name);
    const auto model = load(name, "");
    auto& impl = const_cast<Model::Impl&>(model->impl());
    impl.isa = &test::counting_isa(*impl.isa);
    SessionOptions options;
    options.batch = 7;  // steps that begin before, in and behind the first window
    auto session = Session::create(model, options);
    REQUIRE(session);
    Request request;
    request.max_new_tokens = 6;
    request.ignore_eos = true;
    request.sampling.temperature = 0;
    for (TokenId token = 3; token < 33; ++token) request.tokens.push_back(token);
    const auto id = (*session)->submit(request);
    REQUIRE(id);
    uint64_t weights = 0, kv_read = 0, kv_written = 0, flops = 0;
    for (bool more = true; more;) {
      const auto stepped = (*session)->step();
      REQUIRE(stepped);
      more = *stepped;
      const test::Reads reads = test::take_reads();
      weights += reads.weight_bytes();
      kv_read += reads.kv_bytes();
      kv_written += reads.kv_written;
      flops += reads.flops;
    }
    const auto completion = (*session)->take(*id);
    REQUIRE(completion);
    const PhaseCost &prefill = completion->cost.prefill, &decode = completion->cost.decode;
    CHECK(prefill.weight_bytes + decode.weight_bytes == weights);
    CHECK(prefill.kv_read_bytes + decode.kv_read_bytes == kv_read);
    CHECK(prefill.kv_write_bytes + decode.kv_write_bytes == kv_written);
    CHECK(prefill.flops() + decode.flops() == flops);
  }
}

}  // namespace siskin
