// Configurations that are right, and every kind of mistake with its line.
#include "selector/config.h"

#include <catch2/catch.hpp>

#include "tests/selector/fake_engine.h"

using namespace siskin::selector;
using siskin::selector::test::TempDir;

namespace {

const char* kGood = R"(
[task]
text = "test.txt"
[budget]
latency_ms = {p50 = 80, p99 = 250}
parts = {preprocess = "measure", network = {p50 = 12, p99 = 40}}
[[volume]]
qps = 100
[quality]
max_loss = 0.02
[[candidate]]
name = "a"
model = "a.gguf"
variants = ["f16", "Q8_0"]
)";

std::string error_of(const TempDir& dir, const std::string& text) {
  const auto config = parse_config(text, dir.path() / "c.toml");
  return config ? "" : config.error().message;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

struct Files {
  TempDir dir;
  Files() {
    dir.write("test.txt", "x");
    dir.write("a.gguf", "a f16");
  }
};

}  // namespace

TEST_CASE("a good configuration", "[config]") {
  const Files files;
  const auto config = parse_config(kGood, files.dir.path() / "c.toml");
  REQUIRE(config);
  CHECK(config->task.metric == Metric::bits_per_byte);
  CHECK(config->budget.latency_ms.p50 == 80.0);
  CHECK_FALSE(config->budget.latency_ms.p95.has_value());
  CHECK(config->budget.preprocess.kind == Part::Kind::measured);
  CHECK(config->budget.network.kind == Part::Kind::lognormal);
  CHECK(config->quality.reference == "a");
  CHECK(config->candidates[0].variants == std::vector<std::string>{"f16", "q8_0"});
  CHECK(config->candidates[0].model == files.dir.path() / "a.gguf");
}

TEST_CASE("mistakes name the file, the line and the key", "[config]") {
  const Files files;
  const auto error = [&](const char* from, const char* to) { return error_of(files.dir, replaced(kGood, from, to)); };
  CHECK(error("max_loss", "max_los") == "c.toml:10: unknown key 'max_los' in [quality]; the nearest known name is 'max_loss'");
  CHECK(error("[budget]", "[bugdet]").find("unknown key 'bugdet' at the top level; the nearest known name is 'budget'") !=
        std::string::npos);
  CHECK(error("p99 = 250", "p98 = 250")
            .find("c.toml:5: unknown key 'p98' in [budget.latency_ms]; the nearest known name is 'p9") == 0);
  CHECK(error("p50 = 12", "p5 = 12").find("c.toml:6: unknown key 'p5' in [budget.parts.network]") == 0);
  CHECK(error("qps = 100", "qps = \"many\"") == "c.toml:8: qps: expected a number from 1e-09 to 1000000000000, got \"many\"");
  CHECK(error("qps = 100", "qps = -1").find("c.toml:8: qps: expected") == 0);
  CHECK(error("text = \"test.txt\"", "text = \"absent.txt\"").find("c.toml:3:") == 0);
  CHECK(error("\"a.gguf\"", "\"absent.gguf\"").find("c.toml:13: model:") == 0);
  CHECK(error("max_loss = 0.02", "reference = \"b\"").find("c.toml:10: reference: no candidate is named \"b\"") == 0);
  CHECK(error("max_loss = 0.02", "min = 0.8").find("c.toml:10: min:") == 0);
  CHECK(error("p50 = 12, p99 = 40", "p50 = 12").find("c.toml:6: network:") == 0);
  CHECK(error("[\"f16\", \"Q8_0\"]", "[\"f16\", \"F16\"]").find("c.toml:14: variants: \"f16\" is listed twice") == 0);
  CHECK(error("[[volume]]\nqps = 100", "").find("[[volume]]") != std::string::npos);
  CHECK(error("qps = 100", "qps = = 1").find("c.toml:8:") == 0);
}

TEST_CASE("what is known but not built says so", "[config]") {
  const Files files;
  const auto error = [&](const char* from, const char* to) { return error_of(files.dir, replaced(kGood, from, to)); };
  CHECK(error("\"Q8_0\"", "{prune = {ffn = 0.5}}") ==
        "c.toml:14: key 'prune' in [candidate.variants] is known but not built yet");
  CHECK(error("\"Q8_0\"", "{top_k = 1}") == "c.toml:14: key 'top_k' in [candidate.variants] is known but not built yet");
  CHECK(error("model = \"a.gguf\"", "cascade = [\"a:f16\"]") ==
        "c.toml:13: key 'cascade' in [candidate] is known but not built yet");
  CHECK(error("model = \"a.gguf\"", "remote = {}").find("c.toml:13: key 'remote'") == 0);
  CHECK(error("text = \"test.txt\"", "text = \"test.txt\"\nmetric = \"agreement\"")
            .find("c.toml:4: metric = \"agreement\" is known but not built yet") == 0);
  CHECK(error("[budget]", "[workload]\narrivals = \"trace\"\n[budget]")
            .find("c.toml:5: arrivals = \"trace\" is known but not built yet") == 0);
}

TEST_CASE("the template is a valid configuration", "[config]") {
  const TempDir dir;
  for (const char* name : {"held-out.txt", "model-f16.gguf", "smaller-f16.gguf"}) dir.write(name, "x");
  CHECK(error_of(dir, std::string(config_template())) == "");
}
