// config.json of Hugging Face folders: what becomes of each key, and which files are refused.
#include <catch2/catch.hpp>
#include <cmath>

#include "formats/files/hf_config.h"
#include "tests/formats/files_support.h"

namespace siskin {
namespace {

Result<HfConfig> parse(const std::string& text) { return parse_hf_config(testing::as_bytes(text), "config.json", "my-model"); }

// A good configuration with `extra` members, which must begin with a comma.
std::string llama(const std::string& extra = "") {
  return R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "intermediate_size": 172,
    "num_hidden_layers": 3, "num_attention_heads": 8, "vocab_size": 512)" +
         extra + "}";
}

std::string mixtral(const std::string& extra = "") {
  return R"({"architectures": ["MixtralForCausalLM"], "model_type": "mixtral", "hidden_size": 64, "intermediate_size": 96,
    "num_hidden_layers": 2, "num_attention_heads": 8, "vocab_size": 512)" +
         extra + "}";
}

TEST_CASE("a llama configuration becomes GGUF keys", "[files]") {
  const auto config = parse(llama(R"(, "num_key_value_heads": 4, "head_dim": 16, "max_position_embeddings": 4096,
    "rms_norm_eps": 1e-05, "rope_theta": 500000.0, "tie_word_embeddings": true, "attention_bias": false, "rope_scaling": null)"));
  REQUIRE(config);
  const Metadata& m = config->metadata;
  CHECK(*m.string("general.architecture") == "llama");
  CHECK(*m.string("general.name") == "my-model");
  CHECK(*m.u64("llama.block_count") == 3);
  CHECK(*m.u64("llama.context_length") == 4096);
  CHECK(*m.u64("llama.embedding_length") == 64);
  CHECK(*m.u64("llama.feed_forward_length") == 172);
  CHECK(*m.u64("llama.vocab_size") == 512);
  CHECK(*m.u64("llama.attention.head_count") == 8);
  CHECK(*m.u64("llama.attention.head_count_kv") == 4);
  CHECK(*m.u64("llama.attention.key_length") == 16);
  CHECK(*m.u64("llama.attention.value_length") == 16);
  CHECK(*m.u64("llama.rope.dimension_count") == 16);
  CHECK(*m.f64("llama.rope.freq_base") == 500000.0);
  CHECK(*m.f64("llama.attention.layer_norm_rms_epsilon") == static_cast<double>(1e-05f));
  CHECK_FALSE(m.has("llama.expert_count"));
  CHECK_FALSE(m.has("llama.rope.scaling.type"));
  CHECK(config->tied_embeddings);
}

TEST_CASE("absent keys take the defaults of transformers", "[files]") {
  const auto dense = parse(llama());
  REQUIRE(dense);
  CHECK(*dense->metadata.u64("llama.context_length") == 2048);
  CHECK(*dense->metadata.u64("llama.attention.head_count_kv") == 8);
  CHECK(*dense->metadata.u64("llama.attention.key_length") == 8);
  CHECK(*dense->metadata.f64("llama.rope.freq_base") == 10000.0);
  CHECK(*dense->metadata.f64("llama.attention.layer_norm_rms_epsilon") == static_cast<double>(1e-6f));
  CHECK_FALSE(dense->tied_embeddings);
  const auto experts = parse(mixtral());
  REQUIRE(experts);
  CHECK(*experts->metadata.string("general.architecture") == "llama");
  CHECK(*experts->metadata.u64("llama.expert_count") == 8);
  CHECK(*experts->metadata.u64("llama.expert_used_count") == 2);
  CHECK(*experts->metadata.f64("llama.rope.freq_base") == 1000000.0);
  CHECK(*experts->metadata.f64("llama.attention.layer_norm_rms_epsilon") == static_cast<double>(1e-5f));
}

TEST_CASE("qwen2 and gemma3 configurations become GGUF keys of their own", "[files]") {
  const std::string sizes = R"("hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 8, "vocab_size": 512)";
  const auto qwen2 = parse(R"({"model_type": "qwen2", "num_hidden_layers": 2, "num_key_value_heads": 2, "rope_theta": 1e6,
    "sliding_window": 16, "use_sliding_window": false, )" +
                           sizes + "}");
  REQUIRE(qwen2);
  CHECK(*qwen2->metadata.string("general.architecture") == "qwen2");
  CHECK(*qwen2->metadata.u64("qwen2.attention.head_count_kv") == 2);
  CHECK(*qwen2->metadata.f64("qwen2.rope.freq_base") == 1e6);
  CHECK_FALSE(qwen2->tied_embeddings);
  const std::string gemma = R"({"model_type": "gemma3_text", "num_hidden_layers": 4, )" + sizes;
  const auto defaults = parse(gemma + "}");
  REQUIRE(defaults);
  CHECK(*defaults->metadata.u64("gemma3.attention.key_length") == 256);
  CHECK(*defaults->metadata.u64("gemma3.attention.sliding_window") == 4096);
  CHECK(*defaults->metadata.u64("gemma3.attention.sliding_window_pattern") == 6);
  CHECK(*defaults->metadata.f64("gemma3.rope.freq_base_swa") == 1e4);
  CHECK(*defaults->metadata.f64("gemma3.attention.scale") == 1.0 / 16);
  CHECK(defaults->tied_embeddings);
  const auto layers =
      parse(gemma + R"(, "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
    "sliding_window": 512, "query_pre_attn_scalar": 64, "rope_parameters": {"full_attention": {"rope_theta": 5e5},
    "sliding_attention": {"rope_theta": 2e4}}})");
  REQUIRE(layers);
  CHECK(*layers->metadata.u64("gemma3.attention.sliding_window_pattern") == 2);
  CHECK(*layers->metadata.f64("gemma3.attention.scale") == 0.125);
  CHECK(*layers->metadata.f64("gemma3.rope.freq_base") == 5e5);
  CHECK(*layers->metadata.f64("gemma3.rope.freq_base_swa") == 2e4);
  const auto uneven =
      parse(gemma + R"(, "layer_types": ["full_attention", "sliding_attention", "full_attention", "full_attention"]})");
  REQUIRE_FALSE(uneven);
  CHECK(uneven.error().code == ErrorCode::unsupported);
  CHECK_FALSE(parse(gemma + R"(, "layer_types": ["full_attention"]})"));
  CHECK_FALSE(parse(gemma + R"(, "final_logit_softcapping": 30.0})"));
  CHECK_FALSE(parse(gemma + R"(, "hidden_activation": "silu"})"));
}

TEST_CASE("rope scaling is kept as keys", "[files]") {
  const auto linear = parse(llama(R"(, "rope_scaling": {"type": "linear", "factor": 4.0})"));
  REQUIRE(linear);
  CHECK(*linear->metadata.string("llama.rope.scaling.type") == "linear");
  CHECK(*linear->metadata.f64("llama.rope.scaling.factor") == 4.0);
  const auto llama3 = parse(llama(R"(, "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 8192})"));
  REQUIRE(llama3);
  CHECK(*llama3->metadata.string("llama.rope.scaling.type") == "llama3");
  CHECK(*llama3->metadata.f64("llama.rope.scaling.factor") == 8.0);
  CHECK(*llama3->metadata.f64("llama.rope.scaling.low_freq_factor") == 1.0);
  CHECK(*llama3->metadata.f64("llama.rope.scaling.high_freq_factor") == 4.0);
  CHECK(*llama3->metadata.u64("llama.rope.scaling.original_context_length") == 8192);
  const auto newer = parse(llama(R"(, "rope_parameters": {"rope_type": "default", "rope_theta": 250000})"));
  REQUIRE(newer);
  CHECK(*newer->metadata.f64("llama.rope.freq_base") == 250000.0);
  CHECK_FALSE(newer->metadata.has("llama.rope.scaling.type"));
}

TEST_CASE("LongRoPE's factors become tensors, its magnitude a key", "[files]") {
  const auto longrope = [](const std::string& more) {
    return parse(llama(
        R"(, "head_dim": 16, "max_position_embeddings": 8192, "rope_scaling": {"type": "su", "long_factor": [1, 2, 3, 4, 5, 6, 7, 8],
      "short_factor": [1, 1, 1, 1, 1, 1, 1, 1.5])" +
        more));
  };
  const auto inside = longrope(R"(, "original_max_position_embeddings": 2048, "long_mscale": 3, "short_mscale": 4})");
  REQUIRE(inside);
  CHECK(*inside->metadata.string("llama.rope.scaling.type") == "longrope");
  CHECK(*inside->metadata.u64("llama.rope.scaling.original_context_length") == 2048);
  CHECK(*inside->metadata.f64("llama.rope.scaling.attn_factor") == Approx(std::sqrt(1 + std::log(4.0) / std::log(2048.0))));
  CHECK_FALSE(inside->metadata.has("llama.rope.scaling.factor"));
  REQUIRE(inside->vectors.size() == 2);
  CHECK(inside->vectors[0].name == "rope_factors_long.weight");
  CHECK(inside->vectors[0].values.back() == 8.0f);
  CHECK(inside->vectors[1].name == "rope_factors_short.weight");
  CHECK(inside->vectors[1].values.back() == 1.5f);
  // What is said outside wins, as in transformers; a factor that is given replaces the ratio, a magnitude both.
  const auto outside =
      longrope(R"(, "original_max_position_embeddings": 2048, "factor": 2}, "original_max_position_embeddings": 4096)");
  REQUIRE(outside);
  CHECK(*outside->metadata.u64("llama.rope.scaling.original_context_length") == 4096);
  CHECK(*outside->metadata.f64("llama.rope.scaling.attn_factor") == Approx(std::sqrt(1 + std::log(2.0) / std::log(4096.0))));
  const auto given = longrope(R"(, "attention_factor": 1.75})");
  REQUIRE(given);
  CHECK(*given->metadata.u64("llama.rope.scaling.original_context_length") == 8192);
  CHECK(*given->metadata.f64("llama.rope.scaling.attn_factor") == 1.75);
  const auto none = longrope("}");
  REQUIRE(none);
  CHECK(*none->metadata.f64("llama.rope.scaling.attn_factor") == 1.0);
}

TEST_CASE("a window that hides nothing is accepted", "[files]") {
  CHECK(parse(mixtral(R"(, "sliding_window": null)")));
  CHECK(parse(mixtral(R"(, "sliding_window": 4096, "max_position_embeddings": 4096)")));
}

TEST_CASE("configurations that are not built are refused by name", "[files]") {
  const std::vector<std::pair<std::string, const char*>> kinds = {
      {R"({"model_type": "qwen3_next", "architectures": ["Qwen3NextForCausalLM"]})", "'Qwen3NextForCausalLM'"},
      {R"({"model_type": "gpt2"})", "'gpt2'"},
      {R"({"model_type": "llama", "architectures": ["LlamaForSequenceClassification"]})", "LlamaForSequenceClassification"},
      {R"({"model_type": "llama", "architectures": ["MixtralForCausalLM"]})", "MixtralForCausalLM"},
      {llama(R"(, "attention_bias": true)"), "'attention_bias'"},
      {llama(R"(, "mlp_bias": true)"), "'mlp_bias'"},
      {llama(R"(, "hidden_act": "gelu")"), "'gelu'"},
      {llama(R"(, "quantization_config": {"quant_method": "gptq"})"), "'gptq'"},
      {llama(R"(, "partial_rotary_factor": 0.5)"), "'partial_rotary_factor'"},
      {llama(R"(, "rope_scaling": {"type": "dynamic", "factor": 2.0})"), "'dynamic'"},
      {llama(R"(, "rope_scaling": {"rope_type": "dynamic", "factor": 2.0})"), "'dynamic'"},
      {mixtral(R"(, "sliding_window": 4096, "max_position_embeddings": 8192)"), "'sliding_window'"},
  };
  for (const auto& [text, says] : kinds) {
    const auto config = parse(text);
    INFO(text);
    REQUIRE_FALSE(config);
    CHECK(config.error().code == ErrorCode::unsupported);
    CHECK(config.error().message.starts_with("config.json: "));
    CHECK(config.error().message.find(says) != std::string::npos);
  }
}

TEST_CASE("malformed configurations are refused", "[files]") {
  const std::string deep = std::string(100000, '[') + std::string(100000, ']');
  const std::vector<std::pair<std::string, const char*>> kinds = {
      {"", "invalid JSON"},
      {"{", "invalid JSON"},
      {"null", "object"},
      {"[]", "object"},
      {"\"llama\"", "object"},
      {llama() + "x", "invalid JSON"},
      {"{\"model_type\": \"\xff\"}", "invalid JSON"},
      {"{}", "model_type"},
      {R"({"model_type": 7})", "'model_type'"},
      {R"({"architectures": "LlamaForCausalLM"})", "'architectures'"},
      {R"({"architectures": []})", "'architectures'"},
      {R"({"architectures": [1]})", "'architectures'"},
      {R"({"model_type": "llama"})", "no 'num_hidden_layers'"},
      {llama(R"(, "vocab_size": 513)"), "twice"},
      {llama(R"(, "x": )" + deep), "nested"},
      {llama(R"(, "x": 1e999)"), "out of range"},
      {llama(R"(, "num_key_value_heads": 0)"), "'num_key_value_heads'"},
      {llama(R"(, "num_key_value_heads": -1)"), "'num_key_value_heads'"},
      {llama(R"(, "num_key_value_heads": 3)"), "multiple"},
      {llama(R"(, "num_key_value_heads": 4.0)"), "'num_key_value_heads'"},
      {llama(R"(, "num_key_value_heads": "4")"), "'num_key_value_heads'"},
      {llama(R"(, "head_dim": 7)"), "odd"},
      {llama(R"(, "head_dim": 18446744073709551615)"), "'head_dim'"},
      {llama(R"(, "max_position_embeddings": 4294967296)"), "'max_position_embeddings'"},
      {llama(R"(, "rms_norm_eps": 0)"), "'rms_norm_eps'"},
      {llama(R"(, "rms_norm_eps": "small")"), "'rms_norm_eps'"},
      {llama(R"(, "rms_norm_eps": 1e200)"), "'rms_norm_eps'"},
      {llama(R"(, "rope_theta": -1)"), "'rope_theta'"},
      {llama(R"(, "rope_scaling": "linear")"), "'rope_scaling'"},
      {llama(R"(, "rope_scaling": {"type": "linear"})"), "'factor'"},
      {llama(R"(, "rope_scaling": {"rope_type": "llama3", "factor": 8.0})"), "'low_freq_factor'"},
      {llama(R"(, "rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4,
        "original_max_position_embeddings": 8192})"),
       "not below"},
      {llama(R"(, "rope_scaling": {"type": "longrope", "long_factor": [1, 2]})"), "'short_factor'"},
      {llama(R"(, "rope_scaling": {"type": "longrope", "long_factor": [1, 2], "short_factor": [1, 2]})"), "expected 4"},
      {llama(R"(, "rope_scaling": {"type": "longrope", "long_factor": [1, "2"], "short_factor": [1, 2]})"), "'long_factor'"},
      {llama(R"(, "rope_scaling": {"type": "longrope", "long_factor": [1, 0], "short_factor": [1, 2]})"), "'long_factor'"},
      {llama(R"(, "rope_scaling": {"type": "longrope", "long_factor": 2, "short_factor": [1, 2]})"), "'long_factor'"},
      {llama(R"(, "rope_scaling": {"type": "longrope", "attention_factor": -1})"), "'attention_factor'"},
      {llama(R"(, "tie_word_embeddings": "yes")"), "'tie_word_embeddings'"},
      {llama(R"(, "attention_bias": 1)"), "'attention_bias'"},
      {mixtral(R"(, "num_local_experts": 2, "num_experts_per_tok": 3)"), "experts per token"},
      {mixtral(R"(, "num_local_experts": 0)"), "'num_local_experts'"},
      {R"({"model_type": "llama", "hidden_size": 65, "intermediate_size": 172, "num_hidden_layers": 3,
        "num_attention_heads": 8, "vocab_size": 512})",
       "'hidden_size'"},
  };
  for (const auto& [text, says] : kinds) {
    const auto config = parse(text);
    INFO(text.substr(0, 300));
    REQUIRE_FALSE(config);
    INFO(config.error().message);
    CHECK(config.error().code == ErrorCode::corrupt_file);
    CHECK(config.error().message.starts_with("config.json: "));
    CHECK(config.error().message.find(says) != std::string::npos);
    CHECK(config.error().message.size() < 300);
  }
}

}  // namespace
}  // namespace siskin
