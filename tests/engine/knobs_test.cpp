// Experts as a knob: requests that share a step each get theirs, what they read is what they asked for, and overlays keep it in a file.
#include <siskin/eval.h>
#include <siskin/expert_knobs.h>
#include <siskin/synth.h>
#include <siskin/trace.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <set>

#include "engine/knobs/budget.h"
#include "engine/model_impl.h"
#include "engine/session_team.h"
#include "tests/engine/sessions.h"
#include "tests/engine/tools_data.h"

using namespace siskin;
using tools_test::TempFolder;

namespace {

namespace fs = std::filesystem;

constexpr size_t kLayers = 3, kExperts = 8, kTopK = 3;

fs::path mixture(const TempFolder& folder, uint64_t seed = 1, size_t d_ff = 96) {
  const fs::path shape = folder / "shape.txt", file = folder.path() / ("m" + std::to_string(seed) + "-" + std::to_string(d_ff) + ".gguf");
  std::ofstream(shape) << "name = tiny\narchitecture = llama\nn_layers = " << kLayers
                       << "\nd_model = 64\nn_heads = 4\nn_kv_heads = 2\nd_ff = " << d_ff << "\nn_experts = " << kExperts
                       << "\ntop_k = " << kTopK << "\nn_vocab = 301\nctx = 256\n";
  SynthOptions options;
  options.like = shape.string();
  options.type = "q8_0";
  options.seed = seed;
  REQUIRE(synthesize_model(file, options));
  return file;
}

std::unique_ptr<Session> session_of(const std::shared_ptr<const Model>& model, const ExpertKnobs& knobs = {}) {
  SessionOptions options;
  options.threads = 2;
  options.ctx = 200;
  options.deterministic = true;
  options.experts = knobs;
  auto session = Session::create(model, options);
  if (!session) FAIL(session.error().message);
  return *std::move(session);
}

Request request_with(ExpertKnobs knobs, size_t seed = 1, size_t n = 6) {
  Request request = test::greedy(test::some_tokens(12, seed), n);
  request.experts = std::move(knobs);
  return request;
}

ExpertKnobs top_k(std::vector<uint32_t> k) {
  ExpertKnobs knobs;
  knobs.top_k = std::move(k);
  return knobs;
}

ExpertKnobs min_p(float p) {
  ExpertKnobs knobs;
  knobs.min_probability = p;
  return knobs;
}

ExpertKnobs without(std::vector<uint32_t> experts) {
  ExpertKnobs knobs;
  knobs.drop.assign(kLayers, std::move(experts));
  return knobs;
}

}  // namespace

TEST_CASE("requests of one step each get their experts", "[knobs]") {
  const TempFolder folder;
  const auto model = test::load(mixture(folder));
  const std::vector<ExpertKnobs> knobs = {{}, top_k({1}), top_k({8}), top_k({1, 2, 4}), min_p(0.4f), without({0, 3, 5})};
  std::vector<Completion> alone;
  for (size_t i = 0; i < knobs.size(); ++i) {
    auto completion = session_of(model)->generate(request_with(knobs[i], i));
    REQUIRE(completion);
    alone.push_back(*std::move(completion));
  }
  const auto session = session_of(model);
  std::vector<RequestId> ids;
  for (size_t i = 0; i < knobs.size(); ++i) {
    const auto id = session->submit(request_with(knobs[i], i));
    REQUIRE(id);
    ids.push_back(*id);
  }
  for (bool more = true; more;) {
    const auto stepped = session->step();
    REQUIRE(stepped);
    more = *stepped;
  }
  for (size_t i = 0; i < knobs.size(); ++i) {
    CAPTURE(i);
    const auto together = session->take(ids[i]);
    REQUIRE(together);
    CHECK(together->ids == alone[i].ids);
    CHECK(together->cost.decode.experts_per_token == alone[i].cost.decode.experts_per_token);
    CHECK(together->expert_top_k == alone[i].expert_top_k);
  }
  CHECK(alone[0].cost.decode.experts_per_token == kTopK);
  CHECK(alone[1].cost.decode.experts_per_token == 1);
  CHECK(alone[1].expert_top_k == 1);
  CHECK(alone[2].cost.decode.experts_per_token == 8);
  CHECK(alone[3].cost.decode.experts_per_token == Approx(7.0 / 3));
  CHECK(alone[4].cost.decode.experts_per_token < kTopK);
  CHECK(alone[4].cost.decode.experts_per_token >= 1);
  CHECK(alone[1].cost.decode.weight_bytes < alone[0].cost.decode.weight_bytes);
}

TEST_CASE("a session's knobs are its requests' defaults, and those of logits()", "[knobs]") {
  const TempFolder folder;
  const auto model = test::load(mixture(folder));
  const auto with = session_of(model, top_k({1}));
  const auto plain = session_of(model);
  const auto by_session = with->generate(request_with({})), by_request = plain->generate(request_with(top_k({1})));
  REQUIRE(by_session);
  REQUIRE(by_request);
  CHECK(by_session->ids == by_request->ids);
  const auto back = with->generate(request_with(top_k({kTopK}))), as_trained = plain->generate(request_with({}));
  REQUIRE(back);
  REQUIRE(as_trained);
  CHECK(back->ids == as_trained->ids);
  CHECK(test::logits_of(*with, test::some_tokens(20)) != test::logits_of(*plain, test::some_tokens(20)));
}

TEST_CASE("dropped experts are never read", "[knobs]") {
  const TempFolder folder;
  const auto model = test::load(mixture(folder));
  RoutingTrace trace = *new_trace(*model);
  const auto session = session_of(model, without({1, 2, 7}));
  session->trace_into(&trace);
  REQUIRE(session->generate(request_with({}, 3, 40)));
  const std::set<uint16_t> used(trace.experts.begin(), trace.experts.end());
  CHECK(used.size() == 5);
  for (const uint16_t expert : std::vector<uint16_t>{1, 2, 7}) CHECK_FALSE(used.contains(expert));
  CHECK(trace.n_tokens() == 12 + 39);  // the last token generated is not run
  CHECK(trace.experts.size() == trace.n_tokens() * kLayers * kTopK);
}

TEST_CASE("knobs that mean nothing are refused", "[knobs]") {
  const TempFolder folder;
  const auto model = test::load(mixture(folder));
  const auto session = session_of(model);
  for (const ExpertKnobs& knobs : {top_k({0}), top_k({9}), top_k({1, 2}), min_p(-0.1f), min_p(2), without({8}),
                                   without({0, 1, 2, 3, 4, 5, 6, 7})}) {
    const auto refused = session->submit(request_with(knobs));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::invalid_argument);
  }
  ExpertKnobs short_list;
  short_list.drop = {{1}};
  CHECK_FALSE(session->submit(request_with(short_list)));
  Request late = request_with({});
  late.budget_ms = -1;
  CHECK_FALSE(session->submit(late));
}

TEST_CASE("a budget takes the most experts that keep to it, and follows a machine that changes", "[knobs]") {
  ExpertBudget budget(0.010, 8);
  const auto run = [&](double a, double b, int steps) {
    for (int i = 0; i < steps; ++i) {
      const double noise = 1 + 0.01 * std::sin(i * 1.7);
      budget.add((a + b * static_cast<double>(budget.k())) * noise);
    }
    return budget.k();
  };
  CHECK(budget.k() == 8);
  CHECK(run(0.004, 0.001, 60) == 5);    // 9 ms; 6 would take 10 ms and leave no room
  CHECK(run(0.004, 0.0018, 200) == 3);  // slower: 9.4 ms
  CHECK(run(0.004, 0.0005, 400) == 8);  // faster again
  CHECK(run(0.020, 0.001, 100) == 1);   // out of reach
}

TEST_CASE("a request under a budget says what it took", "[knobs]") {
  const TempFolder folder;
  const auto model = test::load(mixture(folder));
  const auto session = session_of(model);
  Request tight = request_with({}, 1, 60), wide = request_with({}, 1, 60);
  tight.budget_ms = 1e-6;  // no step is that fast
  wide.budget_ms = 1e9;
  const auto least = session->generate(tight), most = session->generate(wide);
  REQUIRE(least);
  REQUIRE(most);
  CHECK(least->expert_top_k == 1);
  CHECK(least->cost.prefill.experts_per_token == kTopK);
  CHECK(least->cost.decode.experts_per_token < 1.5);
  CHECK(most->expert_top_k == kTopK);
  CHECK(most->cost.decode.experts_per_token == kTopK);
}

TEST_CASE("an overlay is kept in a file and bound to its model", "[knobs]") {
  const TempFolder folder;
  const fs::path file = mixture(folder);
  const auto model = test::load(file);
  Overlay overlay{model->info().name, model->info().identity, without({2, 4})};
  overlay.experts.top_k = {2};
  overlay.experts.min_probability = 0.125f;
  REQUIRE(save_overlay(folder / "o.json", overlay));
  const auto read = load_overlay(folder / "o.json");
  REQUIRE(read);
  CHECK(read->identity == overlay.identity);
  CHECK(read->experts.top_k == overlay.experts.top_k);
  CHECK(read->experts.min_probability == overlay.experts.min_probability);
  CHECK(read->experts.drop == overlay.experts.drop);
  CHECK(load_expert_mask(folder / "o.json")->drop == overlay.experts.drop);

  LoadOptions options;
  options.overlay = folder / "o.json";
  const auto overlaid = Model::load(file, options);
  REQUIRE(overlaid);
  const auto by_overlay = session_of(*overlaid)->generate(request_with({}));
  const auto by_request = session_of(model)->generate(request_with(overlay.experts));
  REQUIRE(by_overlay);
  REQUIRE(by_request);
  CHECK(by_overlay->ids == by_request->ids);
  CHECK(by_overlay->expert_top_k == 2);

  const auto other = Model::load(mixture(folder, 1, 128), options);
  if (!other) {
    CHECK(other.error().message.find("another model") != std::string::npos);
  } else {
    FAIL("an overlay of another model was taken");
  }
  const auto refused = [&](const std::string& text) {
    std::ofstream(folder / "bad.json", std::ios::trunc) << text;
    const auto bad = load_overlay(folder / "bad.json");
    return bad ? std::string() : bad.error().message;
  };
  for (const char* text : {"", "[]", "{", "{}", R"({"siskin_overlay": 2, "identity": "1"})", R"({"siskin_overlay": 1})",
                           R"({"siskin_overlay": 1, "identity": 5})", R"({"siskin_overlay": 1, "identity": "1", "drop": 3})",
                           R"({"siskin_overlay": 1, "identity": "1", "drop": [[-1]]})",
                           R"({"siskin_overlay": 1, "identity": "1", "expert_top_k": ["a"]})",
                           R"({"siskin_overlay": 1, "identity": "1", "channel_mask": []})"}) {
    CAPTURE(text);
    CHECK(refused(text).find("bad.json") != std::string::npos);
  }
}

TEST_CASE("statistics of a trace are those of its rows", "[trace]") {
  RoutingTrace trace;
  trace.n_layers = 1;
  trace.n_experts = 4;
  trace.expert_bytes = {100};
  // Expert 0 with 1 three times, with 2 once; 3 never.
  for (const uint16_t second : std::vector<uint16_t>{1, 1, 1, 2}) {
    trace.tokens.push_back(7);
    trace.sequences.push_back(0);
    trace.experts.insert(trace.experts.end(), {0, second});
    trace.weights.insert(trace.weights.end(), {0.75f, 0.25f});
    trace.offsets.push_back(trace.experts.size());
  }
  const TraceStats stats = trace_stats(trace);
  REQUIRE(stats.layers.size() == 1);
  const LayerUse& layer = stats.layers[0];
  CHECK(layer.experts[0].share == 0.5);
  CHECK(layer.experts[1].share == 0.375);
  CHECK(layer.experts[0].mean_weight == 0.75);
  CHECK(layer.unused == 1);
  CHECK(layer.largest_share == 2);
  CHECK(layer.entropy_bits == Approx(0.5 + 0.375 * std::log2(8.0 / 3) + 0.125 * 3));
  CHECK(layer.kept_from_last == Approx(5.0 / 6));
  REQUIRE(layer.pairs.size() == 2);
  CHECK(layer.pairs[0].first == 0);
  CHECK(layer.pairs[0].second == 1);
  CHECK(layer.pairs[0].tokens == 3);
  CHECK(layer.pairs[0].lift == 1);
  const std::string page = trace_page(trace, stats);
  CHECK(page.find("http") == std::string::npos);
  CHECK(page.find("<script") == std::string::npos);

  // Two of three kept: 0 and 1 are read once, then there; 2 comes last.
  for (const CacheReplay& replay : replay_trace(trace, 2)) {
    CAPTURE(replay.policy);
    CHECK(replay.reads == 8);
    CHECK(replay.misses == 3);
    CHECK(replay.memory_bytes == 800);
    CHECK(replay.disk_bytes == 300);
  }
  ExpertKnobs knobs;
  REQUIRE(drop_least_used(trace, 2, knobs));
  CHECK(knobs.drop == std::vector<std::vector<uint32_t>>{{2, 3}});
  CHECK_FALSE(drop_least_used(trace, 4, knobs));
  CHECK(compare_traces(trace, trace)->layers[0].same_experts == 1);
  CHECK(compare_traces(trace, trace)->layers[0].divergence_bits == 0);
}

TEST_CASE("a session routed by a trace runs what the trace says", "[trace]") {
  const TempFolder folder;
  const auto model = test::load(mixture(folder));
  auto trace = std::make_shared<RoutingTrace>(*new_trace(*model));
  const auto recorded = session_of(model, top_k({2}));
  recorded->trace_into(trace.get());
  REQUIRE(recorded->generate(request_with({}, 5, 30)));
  REQUIRE(save_trace(folder / "t.trace", *trace));
  const auto loaded = load_trace(folder / "t.trace");
  REQUIRE(loaded);
  CHECK(loaded->experts == trace->experts);

  SessionOptions options;
  options.threads = 1;
  options.ctx = 100;
  options.routing = trace;
  const auto routed = Session::create(model, options);
  REQUIRE(routed);
  RoutingTrace again = *new_trace(*model);
  (*routed)->trace_into(&again);
  const auto completion = (*routed)->generate(request_with({}, 9, 10));
  REQUIRE(completion);
  CHECK(completion->cost.decode.experts_per_token == 2);
  for (size_t token = 0; token < again.n_tokens(); ++token) {
    const auto ours = again.experts_of(token, 1), theirs = trace->experts_of((token + 997) % trace->n_tokens(), 1);
    CHECK(std::equal(ours.begin(), ours.end(), theirs.begin(), theirs.end()));
  }
  auto other = std::make_shared<RoutingTrace>(*trace);
  other->n_experts = 9;
  options.routing = other;
  CHECK_FALSE(Session::create(model, options));
}

TEST_CASE("fewer experts than trained cost quality that eval measures", "[knobs]") {
  const fs::path zoo = tools_test::data("models/zoo/moe-8x-f16.gguf"), text = tools_test::data("models/zoo/eval/test.txt");
  SISKIN_SKIP_WITHOUT(zoo);
  SISKIN_SKIP_WITHOUT(text);
  const auto model = test::load(zoo);
  EvalOptions options;
  options.ctx = 128;
  options.chunks = 4;
  const std::string words = tools_test::read_file(text);
  const auto same = evaluate_divergence(model, model, words, options);
  REQUIRE(same);
  CHECK(same->kld_mean == 0);
  CHECK(same->same_top == 1);
  options.experts = top_k({1});
  const auto one = evaluate_divergence(model, model, words, options);
  REQUIRE(one);
  CHECK(one->kld_mean > 0.01);
  CHECK(one->ppl_ratio > 1);
}
