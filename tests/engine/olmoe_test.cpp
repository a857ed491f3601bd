// A tiny OLMoE with logits from Hugging Face transformers, float64 for the most part (tests/golden/olmoe.py).

#include <siskin/session.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/engine/tools_data.h"
#include "tests/places.h"

namespace siskin {

TEST_CASE("a tiny OLMoE gives transformers' logits, whatever the steps", "[parity]") {
  const std::filesystem::path folder = places::golden();
  const auto reference = nlohmann::json::parse(tools_test::read_file(folder / "olmoe-tiny.json"));
  LoadOptions options;
  options.isa = "ref";
  const auto model = Model::load(folder / "olmoe-tiny.gguf", options);
  if (!model) FAIL(model.error().message);
  CHECK((*model)->info().architecture == "olmoe");
  auto session = Session::create(*model);
  REQUIRE(session);
  const size_t chunk = GENERATE(size_t{512}, size_t{1}, size_t{5});  // all at once, token by token, odd pieces
  const auto logits = (*session)->logits(reference["input_ids"].get<std::vector<TokenId>>(), chunk);
  REQUIRE(logits);
  const auto expected = reference["logits"].get<std::vector<double>>();
  REQUIRE(logits->size() == expected.size());
  double difference = 0, largest = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    difference = std::max(difference, std::abs(double{(*logits)[i]} - expected[i]));
    largest = std::max(largest, std::abs(expected[i]));
  }
  CAPTURE(chunk, difference, largest);
  // K and V are kept in F16: each carries a relative error of up to 2^-11 into two layers.
  CHECK(difference <= 4.0 / 2048 * largest);
}

}  // namespace siskin
