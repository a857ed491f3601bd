// Small mixtures of others with their float64 logits and greedy ids, where the test data has them.

#include <siskin/session.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/engine/sessions.h"
#include "tests/engine/tools_data.h"

namespace siskin {
namespace {

using nlohmann::json;

struct Fixture {
  const char* weights;
  const char* config;
  const char* logits;
  const char* greedy;  // null: none
};
constexpr Fixture kFixtures[] = {
    {"gqa_mixtral", "gqa_mixtral_config", "gqa_mixtral", nullptr},  // its greedy ids do not say which prompt they follow
    {"full_mixtral", "mixtral_tiny_config", "full_mixtral", "full_mixtral_gen"},
    {"mixtral_classic", "mixtral_classic_config", "full_mixtral", "full_mixtral_gen"},  // the same weights under older names
    {"qwen_moe_tiny", "qwen_moe_tiny_config", "qwen_moe_tiny", nullptr},
};

std::filesystem::path fixture(const std::string& file) { return tools_test::data("models/moe-fixtures/" + file); }

json read_json(const std::string& name) { return json::parse(tools_test::read_file(fixture(name + ".json"))); }

}  // namespace

TEST_CASE("mixtures of the test data give their float64 logits and greedy ids", "[parity]") {
  SISKIN_SKIP_WITHOUT(fixture("full_mixtral.safetensors"));
  for (const Fixture& f : kFixtures) {
    CAPTURE(f.weights);
    const tools_test::TempFolder folder;
    std::filesystem::copy_file(fixture(std::string(f.weights) + ".safetensors"), folder / "model.safetensors");
    std::filesystem::copy_file(fixture(std::string(f.config) + ".json"), folder / "config.json");
    const auto model = test::load(folder.path(), "ref");
    SessionOptions exact;
    exact.kv_type = KvType::f32;
    exact.ctx = 64;
    auto session = Session::create(model, exact);
    REQUIRE(session);
    const json reference = read_json(f.logits);
    const auto prompt = reference["input_ids"].get<std::vector<TokenId>>();
    test::check_parity(test::logits_of(**session, prompt), reference["hf_logits"].get<std::vector<double>>());
    if (f.greedy == nullptr) continue;
    const json generated = read_json(f.greedy);
    const auto ids = generated["generated_ids"].get<std::vector<TokenId>>();
    const auto from = generated["prompt_ids"].get<std::vector<TokenId>>();
    const auto completion = (*session)->generate(test::greedy(from, ids.size()));
    REQUIRE(completion);
    CHECK(completion->ids == ids);
  }
}

}  // namespace siskin
