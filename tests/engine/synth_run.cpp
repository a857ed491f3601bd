// Synthesised models run: their logits are of sensible size and their texts do not get stuck.
#include <siskin/session.h>
#include <siskin/synth.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <set>

#include "tests/engine/tools_data.h"

using namespace siskin;
using tools_test::TempFolder;

TEST_CASE("a synthesised mixture decodes, tied or not, skewed or not", "[synth]") {
  const auto [architecture, tied, skew, type] =
      GENERATE(table<const char*, int, double, const char*>({{"llama", 0, 0.0, "f16"},
                                                             {"llama", 1, 0.0, "q8_0"},
                                                             {"llama", 1, 1.0, "q4_0"},
                                                             {"llama", 0, 1.0, "q8_0"},
                                                             {"olmoe", 0, 0.0, "q4_0"}}));
  INFO(architecture << ", tied " << tied << ", skew " << skew << ", " << type);
  const TempFolder folder;
  const auto shape = folder / "shape.txt";
  std::ofstream(shape) << "name = tiny\narchitecture = " << architecture
                       << "\nn_layers = 3\nd_model = 128\nn_heads = 4\nn_kv_heads = 2\nd_ff = 96\n"
                          "n_experts = 8\ntop_k = 2\nn_vocab = 400\nctx = 128\ntied = "
                       << tied << "\n";
  SynthOptions options;
  options.like = shape.string();
  options.type = type;
  options.router_skew = skew;
  REQUIRE(synthesize_model(folder / "m.gguf", options));

  const auto model = Model::load(folder / "m.gguf");
  if (!model) FAIL(model.error().message);
  SessionOptions session_options;
  session_options.threads = 1;
  session_options.ctx = 64;
  auto session = Session::create(*model, session_options);
  if (!session) FAIL(session.error().message);
  const auto tokens = (*model)->tokenize("Any text is bytes here.");
  REQUIRE(tokens);
  const auto logits = (*session)->logits(*tokens);
  REQUIRE(logits);
  double sum = 0, squares = 0;
  for (const float logit : *logits) {
    sum += static_cast<double>(logit);
    squares += static_cast<double>(logit) * static_cast<double>(logit);
  }
  const double n = static_cast<double>(logits->size());
  const double deviation = std::sqrt(squares / n - sum / n * (sum / n));
  CHECK(deviation > 0.5);  // false for NaN as well
  CHECK(deviation < 2.0);

  Request request;
  request.tokens = *tokens;
  request.max_new_tokens = 24;
  request.sampling.temperature = 0;
  request.ignore_eos = true;
  const auto completion = (*session)->generate(request);
  REQUIRE(completion);
  CHECK(std::set<TokenId>(completion->ids.begin(), completion->ids.end()).size() >= 4);
  CHECK(completion->cost.decode.experts_per_token == 2);
}
