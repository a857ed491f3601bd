// Single mixture layers of small published checkpoints, where the test data has them: input and output by transformers in
// float64. The engine runs each inside a model around it that hands the layer's output on as logits.

#include <siskin/session.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <nlohmann/json.hpp>
#include <span>

#include "formats/safetensors.h"
#include "kernels/select.h"
#include "tests/engine/sessions.h"
#include "tests/engine/tools_data.h"

namespace siskin {
namespace {

using nlohmann::json;

struct Fixture {
  const char* name;
  const char* model_type;
};
constexpr Fixture kFixtures[] = {{"mixtral_layer0", "mixtral"},
                                 {"qwen15_moe_layer0", "qwen2_moe"},
                                 {"qwen2_moe_layer0", "qwen2_moe"},
                                 {"qwen3_moe_layer0", "qwen3_moe"}};
constexpr size_t kHeads = 4;
constexpr float kEmbedding = 1.0f / 8192;  // every value of every token's; as large as the layer's outputs
// With it the norms' divisors are 1 within f32's rounding, as what they see is that small: a norm is its weights.
constexpr double kEpsilon = 1.0;

std::filesystem::path fixture(const std::string& file) { return tools_test::data("models/moe-fixtures/" + file); }

GgufTensorSource f32_tensor(const std::string& name, Shape shape, std::vector<float> values) {
  GgufTensorSource source{name, DType::F32, std::move(shape), 1, values.size() * sizeof(float), {}};
  source.produce = [held = std::move(values)](size_t, std::span<std::byte> out) -> Status {
    std::memcpy(out.data(), held.data(), out.size());
    return {};
  };
  return source;
}

// Its tensors as the checkpoint calls them, but for a router's older name.
std::vector<GgufTensorSource> layer_tensors(std::span<const std::byte> bytes) {
  const auto contents = parse_safetensors(bytes, "layer");
  REQUIRE(contents);
  std::vector<GgufTensorSource> tensors;
  for (const SafetensorsEntry& entry : contents->tensors) {
    REQUIRE(entry.dtype == "F32");
    std::vector<float> values((entry.end - entry.begin) / sizeof(float));
    std::memcpy(values.data(), bytes.data() + entry.begin, entry.end - entry.begin);
    const bool older = entry.name.ends_with("mlp.router.weight");
    tensors.push_back(f32_tensor(older ? "model.layers.0.mlp.gate.weight" : entry.name, entry.shape, std::move(values)));
  }
  return tensors;
}

// A model of one layer: attention adds nothing, the second norm's weights make the experts' input of the embedding, and the
// head is the unit matrix, so that logits are the embedding plus the experts' output.
void write_model_around(const std::filesystem::path& folder, const Fixture& f, const json& layer,
                        std::vector<GgufTensorSource> tensors) {
  const auto d = layer["d_model"].get<size_t>();
  const auto add = [&](const std::string& name, Shape shape, float value) {
    size_t n = 1;
    for (const size_t dim : shape) n *= dim;
    tensors.push_back(f32_tensor("model." + name, std::move(shape), std::vector<float>(n, value)));
  };
  add("embed_tokens.weight", {d, d}, kEmbedding);
  add("norm.weight", {d}, 1.0f);
  add("layers.0.input_layernorm.weight", {d}, 1.0f);
  for (const std::string matrix : {"q", "k", "v", "o"}) {
    add("layers.0.self_attn." + matrix + "_proj.weight", {d, d}, 0.0f);
    if (std::string_view(f.model_type) == "qwen2_moe" && matrix != "o") {
      add("layers.0.self_attn." + matrix + "_proj.bias", {d}, 0.0f);
    }
  }
  if (std::string_view(f.model_type) == "qwen3_moe") {
    for (const std::string matrix : {"q", "k"}) add("layers.0.self_attn." + matrix + "_norm.weight", {d / kHeads}, 1.0f);
  }
  auto input = layer["input"].get<std::vector<float>>();
  REQUIRE(input.size() == d);
  for (float& value : input) value /= kEmbedding;
  tensors.push_back(f32_tensor("model.layers.0.post_attention_layernorm.weight", {d}, std::move(input)));
  std::vector<float> unit(d * d);
  for (size_t i = 0; i < d; ++i) unit[i * d + i] = 1.0f;
  tensors.push_back(f32_tensor("lm_head.weight", {d, d}, std::move(unit)));
  REQUIRE(write_safetensors(folder / "model.safetensors", {}, tensors));

  json config = {{"model_type", f.model_type},
                 {"num_hidden_layers", 1},
                 {"hidden_size", d},
                 {"vocab_size", d},
                 {"num_attention_heads", kHeads},
                 {"num_key_value_heads", kHeads},
                 {"head_dim", d / kHeads},
                 {"max_position_embeddings", 64},
                 {"rms_norm_eps", kEpsilon},
                 {"tie_word_embeddings", false},
                 {"intermediate_size", layer["d_ff"]},
                 {"moe_intermediate_size", layer["d_ff"]},
                 {"num_local_experts", layer["num_experts"]},
                 {"num_experts", layer["num_experts"]},
                 {"num_experts_per_tok", layer["experts_per_token"]},
                 {"norm_topk_prob", layer["norm_topk_prob"]}};
  for (const GgufTensorSource& tensor : tensors) {
    if (tensor.name.ends_with("shared_expert.up_proj.weight")) config["shared_expert_intermediate_size"] = tensor.shape[0];
  }
  std::ofstream(folder / "config.json") << config;
}

}  // namespace

TEST_CASE("mixture layers of small checkpoints give transformers' output", "[parity]") {
  SISKIN_SKIP_WITHOUT(fixture("mixtral_layer0.safetensors"));
  for (const Fixture& f : kFixtures) {
    const auto layer = json::parse(tools_test::read_file(fixture(std::string(f.name) + ".json")));
    const std::string weights = tools_test::read_file(fixture(std::string(f.name) + ".safetensors"));
    const tools_test::TempFolder folder;
    write_model_around(folder.path(), f, layer, layer_tensors(std::as_bytes(std::span(weights))));
    const auto one = layer["hf_ref"].get<std::vector<double>>();
    for (const Isa& isa : available_isas()) {
      CAPTURE(f.name, isa.name);
      SessionOptions options;
      options.deterministic = true;  // f32 products, whatever the rows
      auto session = Session::create(test::load(folder.path(), isa.name), options);
      REQUIRE(session);
      const std::vector<TokenId> tokens = {0, 1, 2};
      auto outputs = test::logits_of(**session, tokens);
      for (float& value : outputs) value -= kEmbedding;
      std::vector<double> expected;
      for (size_t i = 0; i < tokens.size(); ++i) expected.insert(expected.end(), one.begin(), one.end());
      test::check_parity(outputs, expected);
    }
  }
}

}  // namespace siskin
