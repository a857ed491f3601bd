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
  const char* greedy;  // the file with its greedy ids, and the member
  const char* member;
  // Where the file does not say which prompt they follow: the first so many of the ids that have logits. Of all prompts of one
  // or two ids and all runs of those ids, it alone gives gqa_mixtral's; qwen_moe_tiny's follow all.
  size_t prompt_ids;
};
constexpr Fixture kFixtures[] = {
    {"gqa_mixtral", "gqa_mixtral_config", "gqa_mixtral", "gqa_mixtral_gen", "greedy_ids", 3},
    {"full_mixtral", "mixtral_tiny_config", "full_mixtral", "full_mixtral_gen", "generated_ids", 0},
    // The same weights under older names.
    {"mixtral_classic", "mixtral_classic_config", "full_mixtral", "full_mixtral_gen", "generated_ids", 0},
    {"qwen_moe_tiny", "qwen_moe_tiny_config", "qwen_moe_tiny", "qwen_moe_tiny", "greedy_ids", 5},
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
    const json generated = read_json(f.greedy);
    const auto ids = generated[f.member].get<std::vector<TokenId>>();
    const auto from = f.prompt_ids == 0
                          ? generated["prompt_ids"].get<std::vector<TokenId>>()
                          : std::vector<TokenId>(prompt.begin(), prompt.begin() + static_cast<ptrdiff_t>(f.prompt_ids));
    const auto completion = (*session)->generate(test::greedy(from, ids.size()));
    REQUIRE(completion);
    CHECK(completion->ids == ids);
  }
}

}  // namespace siskin
