// Tiny Mixtral models with float64 logits from Hugging Face transformers: the same numbers, with K and V kept in F32 to f32 rounding.

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <siskin/session.h>

#include "tests/engine/sessions.h"
#include "tests/engine/tools_data.h"

namespace siskin {
namespace {

using tools_test::data;
using tools_test::read_file;
using tools_test::TempFolder;

// A Hugging Face folder from the fixture's pieces.
void assemble(const TempFolder& folder, const std::filesystem::path& weights, nlohmann::json config) {
  config["model_type"] = "mixtral";
  config["architectures"] = {"MixtralForCausalLM"};
  config["num_hidden_layers"] = 2;
  config["max_position_embeddings"] = 64;
  config["hidden_act"] = "silu";
  std::ofstream(folder / "config.json") << config.dump();
  std::filesystem::copy_file(weights, folder / "model.safetensors");
}

}  // namespace

TEST_CASE("tiny Mixtrals give transformers' logits", "[parity]") {
  for (const char* name : {"full_mixtral", "gqa_mixtral"}) {
    const auto file = data("models/moe-fixtures") / (std::string(name) + ".json");
    SISKIN_SKIP_WITHOUT(file);
    const auto reference = nlohmann::json::parse(read_file(file));
    const TempFolder folder;
    assemble(folder, data("models/moe-fixtures") / (std::string(name) + ".safetensors"), reference);
    LoadOptions options;
    options.isa = "ref";
    const auto model = Model::load(folder.path(), options);
    if (!model) FAIL(model.error().message);
    SessionOptions exact;
    exact.kv_type = KvType::f32;
    auto session = Session::create(*model, exact);
    REQUIRE(session);
    const auto logits = (*session)->logits(reference["input_ids"].get<std::vector<TokenId>>());
    REQUIRE(logits);
    CAPTURE(name);
    test::check_parity(*logits, reference["hf_logits"].get<std::vector<double>>());
  }
}

}  // namespace siskin
