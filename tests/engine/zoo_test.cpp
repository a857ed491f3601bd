// The zoo's models against their recorded answers: perplexity is in eval_zoo.cpp; here parameters, greedy continuations, and
// the Hugging Face folders against the GGUF files.

#include <siskin/session.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/engine/sessions.h"
#include "tests/engine/tools_data.h"

namespace siskin {
namespace {

using test::load;
using tools_test::data;

const nlohmann::json& known() {
  static const nlohmann::json answers = nlohmann::json::parse(tools_test::read_file(data("models/zoo/known.json")));
  return answers;
}

}  // namespace

TEST_CASE("total and active parameters are the recorded ones", "[zoo]") {
  SISKIN_SKIP_WITHOUT(data("models/zoo/known.json"));
  for (const auto& [file, params] : known()["params"].items()) {
    const auto info = Model::inspect(data("models/zoo") / file);
    CAPTURE(file);
    REQUIRE(info);
    CHECK(info->total_params == params["total"].get<uint64_t>());
    CHECK(info->active_params == params["active"].get<uint64_t>());
  }
}

TEST_CASE("greedy continuations under ref are the recorded ids", "[zoo][slow]") {
  SISKIN_SKIP_WITHOUT(data("models/zoo/known.json"));
  const double min_gap = known()["min_gap"];
  size_t compared = 0;
  for (const auto& [file, cases] : known()["greedy"].items()) {
    const auto model = load(data("models/zoo") / file, "ref");
    for (const auto& item : cases) {
      if (item["gap"].get<double>() < min_gap) continue;  // another rounding may rightly choose the other token
      auto session = Session::create(model);
      REQUIRE(session);
      Request request;
      const auto tokens = model->tokenize(item["prompt"].get<std::string>());
      REQUIRE(tokens);
      request.tokens = *tokens;
      request.max_new_tokens = item["ids"].size();
      request.sampling.temperature = 0;
      const auto completion = (*session)->generate(request);
      REQUIRE(completion);
      CAPTURE(file, item["prompt"].get<std::string>(), item["gap"].get<double>());
      CHECK(completion->ids == item["ids"].get<std::vector<TokenId>>());
      ++compared;
    }
  }
  CHECK(compared >= 9);
}

TEST_CASE("a Hugging Face folder computes what its GGUF computes", "[zoo]") {
  SISKIN_SKIP_WITHOUT(data("models/zoo/dense-m/config.json"));
  for (const char* name : {"dense-m", "moe-8x"}) {
    const auto gguf = load(data("models/zoo") / (std::string(name) + "-f16.gguf"), {});
    const auto folder = load(data("models/zoo") / name, {});
    const auto tokens = gguf->tokenize("It was a bright cold day in April, and the clocks were striking thirteen.");
    REQUIRE(tokens);
    CHECK(*tokens == *folder->tokenize("It was a bright cold day in April, and the clocks were striking thirteen."));
    auto a = Session::create(gguf), b = Session::create(folder);
    REQUIRE(a);
    REQUIRE(b);
    const auto la = (*a)->logits(*tokens), lb = (*b)->logits(*tokens);
    REQUIRE(la);
    REQUIRE(lb);
    // The same weights; only the order of the q.k sum differs (the pairing moves elements), so f32 rounding alone is left.
    float difference = 0, largest = 0;
    for (size_t i = 0; i < la->size(); ++i) {
      difference = std::max(difference, std::abs((*la)[i] - (*lb)[i]));
      largest = std::max(largest, std::abs((*la)[i]));
    }
    CAPTURE(name, difference, largest);
    CHECK(difference <= 2e-3f * largest);
  }
}

TEST_CASE("small public models tell a story", "[zoo]") {
  SECTION("stories260K") {
    SISKIN_SKIP_WITHOUT(data("models/stories260K/stories260K.gguf"));
    const auto model = load(data("models/stories260K/stories260K.gguf"), "ref");
    auto session = Session::create(model);
    REQUIRE(session);
    Request request;
    request.tokens = *model->tokenize("Once upon a time");
    request.max_new_tokens = 130;
    request.sampling.temperature = 0;
    const auto completion = (*session)->generate(request);
    REQUIRE(completion);
    // What run.c prints for this checkpoint at temperature 0 (expected_stdout in llama2.c's test_all.py).
    CHECK(
        completion->text.starts_with(", there was a little girl named Lily. She loved to play outside in the park. One day, "
                                     "she saw a big, red ball. She wanted to "
                                     "play with it, but it was too high.\nLily's mom said, \"Lily, let's go to the park.\" "
                                     "Lily was sad and didn't know what to do. "
                                     "She said, \"I want to play with your ball, but I can't find it.\""));
  }
  SECTION("tinystories-656K") {
    SISKIN_SKIP_WITHOUT(data("models/tinystories-656K/config.json"));
    const auto model = load(data("models/tinystories-656K"), {});
    auto session = Session::create(model);
    REQUIRE(session);
    Request request;
    request.tokens = *model->tokenize("Once upon a time");
    request.max_new_tokens = 40;
    request.sampling.temperature = 0;
    const auto completion = (*session)->generate(request);
    REQUIRE(completion);
    CAPTURE(completion->text);
    CHECK(completion->text.starts_with(", a little girl named Lily lived in a small house with her mom, dad, and her dog"));
  }
}

}  // namespace siskin
