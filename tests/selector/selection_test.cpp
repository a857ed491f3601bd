// Whole selections against the simulated engine: what is chosen, why not, which exit code, what is not measured twice.
#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "selector/choose.h"
#include "selector/documents.h"
#include "tests/selector/fake_engine.h"

using namespace siskin::selector;
using namespace siskin::selector::test;

namespace {

// An original, a middle and a small model, each a tenth or so apart in quality, with a budget that all can meet.
struct Scene {
  TempDir dir;
  FakeBackend backend;
  std::string budget = "latency_ms = {p50 = 20, p99 = 40}\n";
  std::string quality = "reference = \"big\"\nmax_loss = 0.02\n";
  std::string volumes = "[[volume]]\nqps = 1\n[[volume]]\nqps = 10000\n";
  std::string measure = "seconds = 2\n";
  std::string candidates =
      "[[candidate]]\nname = \"big\"\nmodel = \"big.gguf\"\nvariants = [\"f16\", \"q8_0\"]\n"
      "[[candidate]]\nname = \"small\"\nmodel = \"small.gguf\"\n";
  RunOptions options;

  Scene() {
    dir.write("big.gguf", "big f16");
    dir.write("small.gguf", "small f16");
    dir.write("test.txt", held_out_text());
    backend.models["big f16"] = {.step_ms = 0.2, .per_request_ms = 0.05, .bits_per_byte = 1.5};
    backend.models["big q8_0"] = {
        .step_ms = 0.12, .per_request_ms = 0.03, .bits_per_byte = 1.503, .weight_mb = 4.3, .active_mb = 4.3};
    backend.models["small f16"] = {
        .step_ms = 0.08, .per_request_ms = 0.02, .bits_per_byte = 1.7, .weight_mb = 4.5, .active_mb = 4.5};
    options.out_dir = dir.path() / "out";
    options.counters = [] { return MachineCounters{}; };
  }

  Config config() const {
    const std::string text = "[task]\ntext = \"test.txt\"\n[budget]\n" + budget + volumes + "[quality]\n" + quality +
                             "[price]\nusd_per_hour = 0.34\n[measure]\n" + measure + candidates;
    auto parsed = parse_config(text, dir.path() / "c.toml");
    if (!parsed) FAIL(parsed.error().message);
    return *parsed;
  }

  RunOutcome run() {
    auto outcome = run_selection(config(), backend, options);
    if (!outcome) FAIL(outcome.error().message);
    return *std::move(outcome);
  }
};

const CandidateResult& named(const RunOutcome& outcome, const std::string& name) {
  for (const auto& entry : outcome.result.candidates) {
    if (entry.candidate.name == name) return entry;
  }
  FAIL("no candidate " + name);
  return outcome.result.candidates.front();
}

std::string chosen_at(const RunOutcome& outcome, size_t volume) {
  const auto& name = outcome.json["chosen"][volume]["name"];
  return name.is_null() ? "" : name.get<std::string>();
}

bool warned(const RunOutcome& outcome, const std::string& text) {
  for (const auto& warning : outcome.result.warnings) {
    if (warning.find(text) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("the cheapest that is good enough is chosen", "[selection]") {
  Scene scene;
  const RunOutcome outcome = scene.run();
  CHECK(outcome.result.exit_code == kExitChosen);
  CHECK(chosen_at(outcome, 0) == "big:q8_0");
  CHECK(chosen_at(outcome, 1) == "big:q8_0");
  CHECK(named(outcome, "big:f16").status == CandidateStatus::passed);
  CHECK(named(outcome, "small:f16").status == CandidateStatus::failed);  // 13% worse
  CHECK(named(outcome, "small:f16").findings[0].kind == FailKind::quality);
  CHECK(warned(outcome, "at 1 request/s any passing candidate costs the same"));
  CHECK(scene.backend.quantized == 1);
  const auto& cost = outcome.json["chosen"][1];
  CHECK(cost["usd_per_month"]["source"] == "estimated");
  CHECK(cost["usd_per_month"]["value"].get<double>() == Approx(cost["replicas"]["value"].get<double>() * 0.34 * 730));
}

TEST_CASE("the winner changes with the volume", "[selection]") {
  Scene scene;
  // The middle model reads fewer bytes, so it wins the tie at one replica; the original batches better, so it wins at volume.
  scene.backend.models["big q8_0"] = {
      .step_ms = 0.05, .per_request_ms = 0.2, .bits_per_byte = 1.501, .weight_mb = 4.3, .active_mb = 4.3};
  scene.backend.models["big f16"] = {.step_ms = 0.2, .per_request_ms = 0.01, .bits_per_byte = 1.5};
  const RunOutcome outcome = scene.run();
  CHECK(chosen_at(outcome, 0) == "big:q8_0");
  CHECK(chosen_at(outcome, 1) == "big:f16");
  CHECK(outcome.result.exit_code == kExitChosen);
}

TEST_CASE("p50 passes and p99 fails: exit 12", "[selection]") {
  Scene scene;
  for (auto& [key, model] : scene.backend.models) {
    model.tail_share = 0.03;
    model.tail_ms = 60;
    model.bits_per_byte = 1.5;
  }
  scene.backend.models["small f16"].bits_per_byte = 1.501;
  const RunOutcome outcome = scene.run();
  CHECK(outcome.result.exit_code == kExitLatency);
  const CandidateResult& big = named(outcome, "big:f16");
  CHECK(big.status == CandidateStatus::failed);
  CHECK(big.findings[0].rule == "latency_ms.p99");
  CHECK(*big.latency->latency.p50.point < 20);
  CHECK(warned(outcome, "p50 would have passed"));
  CHECK(chosen_at(outcome, 0).empty());
  CHECK(outcome.json["candidates"][0]["max_qps_per_replica"]["source"] == "not-measured");
}

TEST_CASE("too slow by the machine's own limits: ruled out unmeasured", "[selection]") {
  Scene scene;
  scene.budget = "latency_ms = {p99 = 0.5}\n";
  const RunOutcome outcome = scene.run();
  CHECK(outcome.result.exit_code == kExitLatency);
  CHECK(named(outcome, "big:f16").status == CandidateStatus::ruled_out);
  CHECK(named(outcome, "big:f16").findings[0].stage == "bounds");
  CHECK(scene.backend.served == 0);
  CHECK(scene.backend.quantized == 0);
}

TEST_CASE("memory rules out, the rest is measured", "[selection]") {
  Scene scene;
  scene.budget += "ram_gb = 0.008\n";
  scene.backend.models["big q8_0"].memory_mb = 6;
  scene.backend.models["small f16"].memory_mb = 6;
  const RunOutcome outcome = scene.run();
  const CandidateResult& big = named(outcome, "big:f16");
  CHECK(big.status == CandidateStatus::ruled_out);
  CHECK(big.findings[0].rule == "ram_gb");
  CHECK(big.findings[0].cheapest_change == "ram_gb of at least 0.01 GB");
  CHECK(chosen_at(outcome, 0) == "big:q8_0");  // still compared with the original
  CHECK(named(outcome, "big:q8_0").quality->loss.value.has_value());

  scene.budget = "ram_gb = 0.001\n";
  CHECK(scene.run().result.exit_code == kExitMixed);
}

TEST_CASE("nothing is good enough: exit 11", "[selection]") {
  Scene scene;
  scene.quality = "reference = \"big\"\nmax_loss = 0.0001\n";
  scene.candidates =
      "[[candidate]]\nname = \"big\"\nmodel = \"big.gguf\"\nvariants = [\"f16\"]\n"
      "[[candidate]]\nname = \"small\"\nmodel = \"small.gguf\"\n";
  scene.backend.models["big f16"].memory_mb = 100;
  CHECK(scene.run().result.exit_code == kExitChosen);  // the original passes against itself
  scene.quality = "reference = \"big\"\nmin = 0.9\n";
  scene.dir.write("items.jsonl", [] {
    std::string lines;
    for (int i = 0; i < 200; ++i)
      lines += fmt::format(R"({{"prompt": "item {}", "choices": ["a", "b"], "answer": 0}})", i) + "\n";
    return lines;
  }());
  const std::string text = "[task]\nitems = \"items.jsonl\"\n[budget]\n" + scene.budget + scene.volumes + "[quality]\n" +
                           scene.quality + "[price]\nusd_per_hour = 0.34\n" + scene.candidates;
  const auto config = parse_config(text, scene.dir.path() / "c.toml");
  REQUIRE(config);
  const auto outcome = run_selection(*config, scene.backend, scene.options);
  REQUIRE(outcome);
  CHECK(outcome->result.exit_code == kExitQuality);
}

TEST_CASE("too dear at every volume: exit 13, at one: exit 10", "[selection]") {
  Scene scene;
  scene.quality = "reference = \"big\"\nmax_loss = 1\n";
  scene.backend.profile.peak_int8_vector = 1e6;  // or the bound on the rate would rule all out before a bill is measured
  scene.volumes = "[[volume]]\nqps = 10000\nusd_per_month = 300\n";
  const RunOutcome dear = scene.run();
  CHECK(dear.result.exit_code == kExitCost);
  CHECK(dear.json["chosen"][0]["why"].get<std::string>().find("the nearest is") != std::string::npos);
  scene.volumes = "[[volume]]\nqps = 1\nusd_per_month = 300\n" + scene.volumes;
  const RunOutcome partly = scene.run();
  CHECK(partly.result.exit_code == kExitMixed);
  CHECK(!chosen_at(partly, 0).empty());
  CHECK(chosen_at(partly, 1).empty());
}

TEST_CASE("too few requests: exit 14, and how many more", "[selection]") {
  Scene scene;
  scene.measure = "requests = 200\n";
  const RunOutcome outcome = scene.run();
  CHECK(outcome.result.exit_code == kExitInconclusive);
  const auto& big = outcome.json["candidates"][0];
  CHECK(big["status"] == "inconclusive");
  CHECK(big["latency_ms"]["p99"]["value"].is_null());
  CHECK(big["latency_ms"]["p50"]["source"] == "measured");
  CHECK(big["reason"].get<std::string>().find("at least 259 more requests are needed (n = 459)") != std::string::npos);
}

TEST_CASE("a rate is lowered until the budget is met", "[selection]") {
  Scene scene;
  // Batching makes requests slow: at the highest rate the tail breaks 12 ms, at a lower one it does not.
  scene.backend.models["big f16"] = {.step_ms = 0.1, .per_request_ms = 0.1, .bits_per_byte = 1.5};
  scene.budget = "latency_ms = {p99 = 30}\n";
  scene.candidates = "[[candidate]]\nname = \"big\"\nmodel = \"big.gguf\"\n";
  const RunOutcome outcome = scene.run();
  CHECK(outcome.result.exit_code == kExitChosen);
  const Profile& profile = *named(outcome, "big:f16").profile;
  CHECK(profile.tries.back().outcome == "pass");
  CHECK(profile.max_qps == Approx(profile.carried_qps / 0.75));
  CHECK(*named(outcome, "big:f16").latency->latency.p99.upper <= 30);
}

TEST_CASE("until_proven stops at the first that passes everywhere", "[selection]") {
  Scene scene;
  scene.measure += "stop = \"until_proven\"\n";
  scene.backend.models["big q8_0"].active_mb = 4;
  const RunOutcome outcome = scene.run();
  CHECK(outcome.result.exit_code == kExitChosen);
  CHECK(chosen_at(outcome, 1) == "big:q8_0");
  CHECK(named(outcome, "big:f16").status == CandidateStatus::not_measured);
  CHECK(outcome.json["candidates"][0]["latency_ms"]["p99"]["source"] == "not-measured");
}

TEST_CASE("a run that was interrupted goes on and measures nothing twice", "[selection]") {
  Scene scene;
  scene.options.cancelled = [&] { return scene.backend.served > 2500; };
  const auto interrupted = run_selection(scene.config(), scene.backend, scene.options);
  REQUIRE_FALSE(interrupted);
  CHECK(interrupted.error().code == siskin::ErrorCode::cancelled);
  const int scored = scene.backend.scored;
  REQUIRE(scored >= 1);

  scene.options.cancelled = {};
  const RunOutcome resumed = scene.run();
  CHECK(resumed.result.exit_code == kExitChosen);
  CHECK(scene.backend.scored == 3);  // each of the three once, over both runs

  const int loads = scene.backend.loads, served = scene.backend.served;
  const RunOutcome again = scene.run();
  CHECK(scene.backend.loads == loads);
  CHECK(scene.backend.served == served);
  CHECK(again.json["candidates"] == resumed.json["candidates"]);

  scene.budget = "latency_ms = {p50 = 25, p99 = 45}\n";  // what the load depends on: timed again, not scored again
  scene.run();
  CHECK(scene.backend.served > served);
  CHECK(scene.backend.scored == 3);
}

TEST_CASE("a candidate that cannot be loaded is an error of its own", "[selection]") {
  Scene scene;
  scene.backend.models["small f16"].fails_to_load = true;
  const RunOutcome outcome = scene.run();
  CHECK(outcome.result.exit_code == kExitChosen);
  CHECK(named(outcome, "small:f16").status == CandidateStatus::error);
  scene.backend.models["small f16"].fails_to_load = false;
  scene.backend.models["big f16"].fails_to_load = true;
  scene.options.out_dir = scene.dir.path() / "other";
  const RunOutcome without = scene.run();
  CHECK(without.result.exit_code == kExitMixed);  // nothing to compare with: nothing passes
}

TEST_CASE("a noisy machine is a warning, and exit 15 when strict", "[selection]") {
  Scene scene;
  double total = 0;
  scene.options.counters = [&] {
    total += 100;
    return MachineCounters{total, 0, total * 0.1, total * 0.9, 0};
  };
  const RunOutcome outcome = scene.run();
  CHECK(outcome.result.exit_code == kExitChosen);
  CHECK(warned(outcome, "10% of the processor time was stolen"));
  scene.options.strict = true;
  CHECK(scene.run().result.exit_code == kExitNoisy);
}

TEST_CASE("a plan measures no candidate", "[selection]") {
  Scene scene;
  scene.budget = "ram_gb = 0.008\n";
  scene.backend.models["small f16"].memory_mb = 6;
  const auto plan = plan_selection(scene.config(), scene.backend, scene.options);
  REQUIRE(plan);
  CHECK(scene.backend.loads == 0);
  CHECK(scene.backend.quantized == 0);
  CHECK(plan->candidates[0].status == CandidateStatus::ruled_out);     // 10 MB
  CHECK(plan->candidates[1].status == CandidateStatus::not_measured);  // scaled to 8.5 of 16 bits
  CHECK(plan->candidates[2].status == CandidateStatus::not_measured);
}

TEST_CASE("a type that cannot be made is the configuration's mistake", "[selection]") {
  Scene scene;
  scene.candidates = "[[candidate]]\nname = \"big\"\nmodel = \"big.gguf\"\nvariants = [\"f16\", \"q8_1\"]\n";
  const auto outcome = run_selection(scene.config(), scene.backend, scene.options);
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().code == siskin::ErrorCode::invalid_argument);
  CHECK(outcome.error().message.find("the nearest is \"q8_0\"") != std::string::npos);
}
