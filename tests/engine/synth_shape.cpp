// Shapes from text, JSON and GGUF headers, and the shapes that the project ships.
#include <catch2/catch.hpp>
#include <fstream>

#include "engine/synth/shape.h"
#include "tests/engine/tools_data.h"

using namespace siskin;

namespace {

constexpr const char* kTiny =
    "# a comment\nname = tiny\narchitecture = llama\nn_layers = 2\nd_model = 64   # width\n"
    "n_heads = 4\nn_kv_heads = 2\nd_ff = 96\nn_vocab = 300\nctx = 128\nrope_theta = 5e5\ntied = 1\n";


}  // namespace

TEST_CASE("a shape file says what it says", "[synth]") {
  const auto shape = parse_shape_text(kTiny, "tiny.txt");
  REQUIRE(shape);
  CHECK(check_shape(*shape, "tiny.txt"));
  CHECK(shape->name == "tiny");
  CHECK(shape->d_model == 64);
  CHECK(shape->head_dim == 16);
  CHECK(shape->rope_theta == 500000);
  CHECK(shape->tied);
  CHECK(!shape->is_mixture());
  CHECK(shape->total_params() == 300 * 64 + 2 * (2 * 64 * 16 * 6 + 3 * 64 * 96 + 2 * 64) + 64);
}

TEST_CASE("a wrong shape file is refused with its line or key", "[synth]") {
  const auto message = [](const std::string& text) {
    const auto shape = parse_shape_text(text, "s.txt");
    if (!shape) return shape.error().message;
    const auto sense = check_shape(*shape, "s.txt");
    return sense ? std::string("accepted") : sense.error().message;
  };
  CHECK(message("name = a\nd_modle = 3\n") == "s.txt:2: unknown key 'd_modle'");
  CHECK(message("d_model = 3x\n") == "s.txt:1: d_model: unusable value '3x'");
  CHECK(message("d_model = -3\n") == "s.txt:1: d_model: unusable value '-3'");
  CHECK(message("d_model 3\n") == "s.txt:1: expected 'key = value', got 'd_model 3'");
  CHECK(message("tied = yes\n") == "s.txt:1: tied: unusable value 'yes'");
  CHECK(message(std::string(kTiny) + "ctx = 5\n").find("ctx: given twice") != std::string::npos);
  CHECK(message(std::string(kTiny) + "n_experts = 4\n").find("top_k") != std::string::npos);
  CHECK(message(std::string(kTiny) + "n_experts = 4\ntop_k = 5\n").find("top_k") != std::string::npos);
  CHECK(message("architecture = llama\nn_layers = 1\n").find("d_model: expected 1 to") != std::string::npos);
  CHECK(message("architecture = mamba\n").find("'mamba' cannot be synthesised; llama, olmoe") != std::string::npos);
  CHECK(message("").find("cannot be synthesised") != std::string::npos);
}

TEST_CASE("a Mixtral config.json is a llama shape with experts; other families are refused", "[synth]") {
  const auto mixtral = parse_shape_json(
      R"({"model_type": "mixtral", "num_hidden_layers": 3, "hidden_size": 64, "num_attention_heads": 4,
          "num_key_value_heads": 2, "intermediate_size": 96, "num_local_experts": 8, "num_experts_per_tok": 2,
          "vocab_size": 300, "max_position_embeddings": 512, "rope_theta": 1000000.0, "tie_word_embeddings": false})",
      "config.json");
  REQUIRE(mixtral);
  CHECK(check_shape(*mixtral, "config.json"));
  CHECK(mixtral->architecture == "llama");
  CHECK(mixtral->n_experts == 8);
  CHECK(mixtral->top_k == 2);
  CHECK(mixtral->head_dim == 16);
  CHECK(mixtral->active_params() == mixtral->total_params() - 3 * 6 * 3 * 64 * 96);

  const auto mamba = parse_shape_json(R"({"model_type": "mamba", "hidden_size": 2048})", "config.json");
  REQUIRE(mamba);
  CHECK(check_shape(*mamba, "config.json").error().code == ErrorCode::unsupported);
  CHECK(!parse_shape_json(R"({"model_type": "llama", "hidden_size": "wide"})", "config.json"));
  CHECK(!parse_shape_json("{", "config.json"));
}

TEST_CASE("a nested config.json and one of latent attention give the published shapes", "[synth]") {
  const auto dbrx = parse_shape_json(
      R"({"model_type": "dbrx", "d_model": 6144, "n_heads": 48, "n_layers": 40, "vocab_size": 100352, "max_seq_len": 32768,
          "attn_config": {"kv_n_heads": 8, "clip_qkv": 8, "rope_theta": 500000},
          "ffn_config": {"ffn_hidden_size": 10752, "moe_num_experts": 16, "moe_top_k": 4}})",
      "config.json");
  REQUIRE(dbrx);
  CHECK(check_shape(*dbrx, "config.json"));
  CHECK(dbrx->total_params() == 131596523520);
  const auto deepseek = parse_shape_json(
      R"({"model_type": "deepseek_v2", "num_hidden_layers": 27, "hidden_size": 2048, "num_attention_heads": 16,
          "num_key_value_heads": 16, "kv_lora_rank": 512, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128,
          "intermediate_size": 10944, "moe_intermediate_size": 1408, "n_routed_experts": 64, "num_experts_per_tok": 6,
          "n_shared_experts": 2, "first_k_dense_replace": 1, "vocab_size": 102400})",
      "config.json");
  REQUIRE(deepseek);
  CHECK(check_shape(*deepseek, "config.json"));
  CHECK(deepseek->total_params() == 15706484224);
}

TEST_CASE("a GGUF header gives the shape of its model", "[synth]") {
  const auto in = tools_test::data("models/zoo/moe-8x-f16.gguf");
  SISKIN_SKIP_WITHOUT(in);
  const auto shape = read_shape(in);
  REQUIRE(shape);
  CHECK(shape->total_params() == 8136960);
  CHECK(shape->active_params() == 3418368);
  CHECK(shape->tied);
  CHECK(shape->ctx == 512);
}

TEST_CASE("the shipped shapes have the published parameter counts", "[synth]") {
  const struct {
    const char* file;
    uint64_t total, active;
  } published[] = {
      {"llama-3.2-1b.txt", 1235814400, 1235814400},
      {"llama-3.2-3b.txt", 3212749824, 3212749824},
      {"llama-3-8b.txt", 8030261248, 8030261248},
      {"mistral-7b.txt", 7248023552, 7248023552},
      {"mixtral-8x7b.txt", 46702792704, 12879925248},
      {"mixtral-like-0.8b.txt", 791233536, 262751232},
      {"olmoe-1b-7b.txt", 6919161856, 1282017280},
      {"gemma-2b.txt", 2506172416, 2506172416},
      {"phi-3-mini.txt", 3821079552, 3821079552},
      {"qwen3-30b-a3b.txt", 30532122624, 3353032704},
      {"deepseek-v2-lite.txt", 15706484224, 2661150208},
      {"dbrx.txt", 131596523520, 36469708800},
      {"gpt-oss-20b.txt", 20914757184, 4187440704},
  };
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(places::shapes())) files += entry.path().extension() == ".txt";
  CHECK(files == std::size(published));
  for (const auto& expected : published) {
    INFO(expected.file);
    const auto shape = read_shape(places::shapes() / expected.file);
    if (!shape) FAIL(shape.error().message);
    CHECK(shape->total_params() == expected.total);
    CHECK(shape->active_params() == expected.active);
    CHECK(shape->name + ".txt" == expected.file);
  }
}
