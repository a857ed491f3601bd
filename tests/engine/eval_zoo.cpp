// Evaluation of trained models against llama.cpp's numbers for the same files and text.
#include <siskin/eval.h>
#include <siskin/quantize.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "tests/engine/sessions.h"
#include "tests/engine/tools_data.h"

using namespace siskin;
using test::load;
using tools_test::data;
using tools_test::TempFolder;

namespace {

// The evaluation text as llama-perplexity -f reads it: without the last newline.
std::string test_text() {
  std::string text = tools_test::read_file(data("models/zoo/eval/test.txt"));
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

EvalOptions windows(size_t ctx, size_t chunks, EvalPath path = EvalPath::prefill) {
  EvalOptions options;
  options.ctx = ctx;
  options.chunks = chunks;
  options.path = path;
  return options;
}

}  // namespace

TEST_CASE("running perplexities are llama.cpp's", "[eval]") {
  // llama-perplexity -c 256 on the F16 files: its running value after each number of windows.
  const auto [name, chunks, expected] = GENERATE(table<const char*, size_t, double>({
      {"dense-m-f16.gguf", 1, 42.2025},
      {"dense-m-f16.gguf", 4, 44.7813},
      {"dense-m-f16.gguf", 16, 35.2789},
  }));
  const auto path = data("models/zoo") / name;
  SISKIN_SKIP_WITHOUT(path);
  const auto result = evaluate_perplexity(load(path), test_text(), windows(256, chunks));
  if (!result) FAIL(result.error().message);
  CHECK(result->perplexity == Approx(expected).epsilon(0.003));
  CHECK(result->chunks == chunks);
  CHECK(result->tokens == chunks * 127);
  CHECK(result->bits_per_byte > 1.2);
  CHECK(result->bits_per_byte < 2.0);
}

TEST_CASE("the decode kernels score like the prefill kernels", "[eval]") {
  const auto path = data("models/zoo/moe-8x-f16.gguf");
  SISKIN_SKIP_WITHOUT(path);
  const auto model = load(path);
  const auto prefill = evaluate_perplexity(model, test_text(), windows(256, 2));
  const auto decode = evaluate_perplexity(model, test_text(), windows(256, 2, EvalPath::decode));
  REQUIRE(prefill);
  REQUIRE(decode);
  CHECK(decode->perplexity == Approx(prefill->perplexity).epsilon(0.003));
}

TEST_CASE("a whole text scored as one document has the known bits per byte", "[eval][slow]") {
  const auto path = data("models/zoo/dense-m-f16.gguf");
  SISKIN_SKIP_WITHOUT(path);
  const std::vector<std::string> documents = {test_text()};
  const auto scores = score_documents(load(path), documents, windows(512, 0));
  if (!scores) FAIL(scores.error().message);
  const DocumentScore& score = scores->front();
  CHECK(score.tokens == 86628);  // every token but BOS
  CHECK(score.bytes == documents[0].size());
  CHECK(score.nll / static_cast<double>(score.tokens) == Approx(3.676033).epsilon(0.002));
  CHECK(score.nll / std::log(2.0) / static_cast<double>(score.bytes) == Approx(1.5186).epsilon(0.003));
}

TEST_CASE("documents are scored apart, short and empty ones too", "[eval]") {
  const auto path = data("models/zoo/dense-s-f16.gguf");
  SISKIN_SKIP_WITHOUT(path);
  const auto model = load(path);
  const std::string text = "The old man looked at the sea, and the sea looked back.";
  const std::vector<std::string> documents = {text, "", "A", text};
  const auto scores = score_documents(model, documents, windows(64, 0));
  REQUIRE(scores);
  REQUIRE(scores->size() == 4);
  CHECK((*scores)[0].nll == (*scores)[3].nll);
  CHECK((*scores)[0].tokens == model->tokenize(text)->size() - 1);
  CHECK((*scores)[1].tokens == 0);
  CHECK((*scores)[1].nll == 0);
  CHECK((*scores)[2].tokens >= 1);

  // Cut into windows, the same tokens are scored with less context: the count stays.
  const auto cut = score_documents(model, documents, windows(4, 0));
  REQUIRE(cut);
  CHECK((*cut)[0].tokens == (*scores)[0].tokens);
  CHECK((*cut)[0].nll > (*scores)[0].nll);
}

TEST_CASE("the likelier of two endings is predicted", "[eval]") {
  const auto path = data("models/zoo/dense-m-f16.gguf");
  SISKIN_SKIP_WITHOUT(path);
  const auto model = load(path);
  const std::vector<ChoiceItem> items = {
      {"\"I do not know,\" said", {" he.", " purple."}, 0},
      {"In the middle of the", {" of of", " night"}, 1},
      {"He looked at", {" her", " qqqq"}, 1},
  };
  const auto scores = score_choices(model, items, windows(64, 0));
  if (!scores) FAIL(scores.error().message);
  CHECK((*scores)[0].correct);
  CHECK((*scores)[1].correct);
  CHECK((*scores)[2].predicted == 0);
  CHECK(!(*scores)[2].correct);
  for (const ChoiceScore& score : *scores) {
    for (const double logprob : score.logprob) CHECK(logprob < 0);
  }
  const std::vector<ChoiceItem> wrong = {{"a", {"b"}, 1}};
  CHECK(score_choices(model, wrong, windows(64, 0)).error().code == ErrorCode::invalid_argument);
}

TEST_CASE("a model in any block type stays as close to itself as its bits allow", "[eval]") {
  // About twice the distance of dense-m on these eight windows; a wrong scale or order of weights gives a perplexity in the
  // thousands.
  const auto [type, distance] = GENERATE(table<const char*, double>({{"q6_k", 0.003},
                                                                     {"q5_k", 0.01},
                                                                     {"q5_1", 0.01},
                                                                     {"q5_0", 0.015},
                                                                     {"q4_k", 0.04},
                                                                     {"q4_1", 0.04},
                                                                     {"iq4_nl", 0.06},
                                                                     {"iq4_xs", 0.06},
                                                                     {"mxfp4", 0.07},
                                                                     {"q3_k", 0.14},
                                                                     {"q2_k", 0.5}}));
  const auto path = data("models/zoo/dense-m-f16.gguf");
  SISKIN_SKIP_WITHOUT(path);
  CAPTURE(type);
  const TempFolder folder;
  QuantizeOptions to;
  to.type = type;
  const auto report = quantize_model(path, folder / "out.gguf", to);
  REQUIRE(report);
  CHECK(report->fallbacks.empty());
  CHECK(report->types.at(type) == 29);
  const auto result = evaluate_perplexity(load(folder / "out.gguf"), test_text(), windows(256, 8));
  REQUIRE(result);
  CHECK(result->perplexity == Approx(38.4082).epsilon(distance));
}

TEST_CASE("a model does not diverge from itself, and a quantised one a little", "[eval]") {
  const auto path = data("models/zoo/dense-m-f16.gguf");
  SISKIN_SKIP_WITHOUT(path);
  const TempFolder folder;
  QuantizeOptions q4;
  q4.type = "q4_0";
  REQUIRE(quantize_model(path, folder / "q4.gguf", q4));
  const auto reference = load(path);
  const auto options = windows(256, 4);

  const auto same = evaluate_divergence(reference, reference, test_text(), options);
  REQUIRE(same);
  CHECK(same->kld_mean == 0);
  CHECK(same->same_top == 1);
  CHECK(same->ppl_ratio == 1);
  CHECK(same->tokens == 4 * 127);

  const auto quantised = load(folder / "q4.gguf");
  const auto other = evaluate_divergence(quantised, reference, test_text(), options);
  REQUIRE(other);
  CHECK(other->kld_mean > 1e-4);
  CHECK(other->kld_mean < 0.1);
  CHECK(other->kld_p99 > other->kld_mean);
  CHECK(other->same_top > 0.75);
  CHECK(other->same_top < 1);
  const auto ours = evaluate_perplexity(quantised, test_text(), options);
  const auto theirs = evaluate_perplexity(reference, test_text(), options);
  REQUIRE(ours);
  REQUIRE(theirs);
  CHECK(other->ppl_ratio == Approx(ours->perplexity / theirs->perplexity).epsilon(1e-6));
  CHECK(other->ppl_ratio_stderr < 0.02);
}

TEST_CASE("an evaluation can be cancelled, and too short a text is an error", "[eval]") {
  const auto path = data("models/zoo/dense-s-f16.gguf");
  SISKIN_SKIP_WITHOUT(path);
  const auto model = load(path);
  EvalOptions options = windows(64, 8);
  size_t calls = 0;
  options.on_progress = [&](size_t done, size_t total) {
    ++calls;
    CHECK(total == 8);
    return done < 2;
  };
  const auto partial = evaluate_perplexity(model, test_text(), options);
  REQUIRE(partial);
  CHECK(partial->chunks == 2);
  CHECK(calls == 2);
  CHECK(evaluate_perplexity(model, "too short", windows(64, 0)).error().code == ErrorCode::invalid_argument);
  CHECK(evaluate_perplexity(model, test_text(), windows(2, 0)).error().code == ErrorCode::invalid_argument);
}
