// Quantized Hugging Face folders: codes and scales become rows of one type; what does not belong together is refused.
#include <catch2/catch.hpp>
#include <cstring>

#include "formats/blocks/codec.h"
#include "formats/blocks/fp8.h"
#include "formats/model_file.h"
#include "formats/safetensors.h"
#include "tests/formats/files_support.h"

namespace siskin {
namespace {

using testing::pattern_byte;
using testing::pattern_source;
using testing::TempFolder;
using Sources = std::vector<GgufTensorSource>;

constexpr const char* kInt8 = R"({"quant_method": "compressed-tensors", "format": "int-quantized", "config_groups": {"group_0":
  {"targets": ["Linear"], "weights": {"num_bits": 8, "type": "int", "strategy": "channel", "symmetric": true, "dynamic": false},
   "input_activations": {"num_bits": 8, "type": "int", "strategy": "token", "dynamic": true}, "output_activations": null}},
  "ignore": ["lm_head"], "kv_cache_scheme": null})";

std::string config(const std::string& quantization) {
  return R"({"model_type": "llama", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 1, "vocab_size": 20, "quantization_config": )" +
         quantization + "}";
}

// The scales of an odd row are those of the pattern, in the type that is asked for.
Sources sources(DType scales = DType::F32) {
  Sources all = {pattern_source("model.embed_tokens.weight", DType::BF16, {20, 64}),
                 pattern_source("model.norm.weight", DType::F32, {64}), pattern_source("lm_head.weight", DType::BF16, {20, 64}),
                 pattern_source("model.layers.0.input_layernorm.weight", DType::F32, {64}),
                 pattern_source("model.layers.0.post_attention_layernorm.weight", DType::F32, {64})};
  const auto add = [&](const std::string& name, size_t rows, size_t cols) {
    all.push_back(pattern_source("model.layers.0." + name + ".weight", DType::I8, {rows, cols}));
    all.push_back(pattern_source("model.layers.0." + name + ".weight_scale", scales, {rows, 1}));
  };
  add("self_attn.q_proj", 64, 64);
  add("self_attn.k_proj", 32, 64);
  add("self_attn.v_proj", 32, 64);
  add("self_attn.o_proj", 64, 64);
  add("mlp.gate_proj", 96, 64);
  add("mlp.up_proj", 96, 64);
  add("mlp.down_proj", 64, 96);
  return all;
}

Result<ModelFile> open(const TempFolder& folder, const std::string& quantization, const Sources& tensors) {
  testing::write_file(folder / "config.json", config(quantization));
  REQUIRE(write_safetensors(folder / "model.safetensors", {}, tensors));
  return ModelFile::open(folder.path());
}

void expect_refusal(const TempFolder& folder, const std::string& quantization, const Sources& tensors, ErrorCode code,
                    const char* says) {
  INFO(quantization << " " << says);
  const auto file = open(folder, quantization, tensors);
  REQUIRE_FALSE(file);
  CHECK(file.error().code == code);
  INFO(file.error().message);
  CHECK(file.error().message.find(says) != std::string::npos);
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("int8 codes and a scale per row are rows of w8a8", "[files]") {
  const TempFolder folder;
  const DType scale_type = GENERATE(DType::F32, DType::BF16, DType::F16);
  const auto file = open(folder, kInt8, sources(scale_type));
  if (!file) FAIL(file.error().message);
  const TensorView* down = file->find("blk.0.ffn_down.weight");
  REQUIRE(down != nullptr);
  CHECK(down->type == DType::W8A8);
  CHECK(down->shape == Shape{64, 96});
  CHECK(down->slice_bytes == 64 * 96);
  CHECK(down->scales.bytes(64) == 64 * row_bytes(scale_type, 1));
  CHECK(file->find("output.weight")->type == DType::BF16);
  std::vector<std::byte> room;
  const std::byte* rows = rows_of(*down, 0, 5, 3, room);
  for (size_t r = 0; r < 3; ++r) {
    const std::byte* row = rows + r * row_bytes(DType::W8A8, 96);
    const size_t width = row_bytes(scale_type, 1);
    std::byte scale[4] = {};  // widened by hand: the pattern's bytes, those of a BF16 above zeros
    for (size_t i = 0; i < width; ++i) {
      scale[4 - width + i] = pattern_byte("model.layers.0.mlp.down_proj.weight_scale", 0, (5 + r) * width + i);
    }
    if (scale_type != DType::F16) CHECK(std::memcmp(row, scale, 4) == 0);
    for (size_t k = 0; k < 96; ++k) {
      if (row[4 + k] != pattern_byte("model.layers.0.mlp.down_proj.weight", 0, (5 + r) * 96 + k))
        FAIL("row " << r << " column " << k);
    }
  }
}

TEST_CASE("E4M3 codes are blocks of FP8, each with the scale that covers it", "[files]") {
  const TempFolder folder;
  const std::string per_row = replaced(kInt8, "\"type\": \"int\"", "\"type\": \"float\"");
  const std::string blocks =
      R"({"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [128, 128]})";
  const std::string name = "model.layers.0.mlp.down_proj.weight";
  struct Kind {
    std::string quantization, ending;
    Shape scales;
    size_t (*scale_of)(size_t row, size_t block);
  };
  const Kind kinds[] = {
      {per_row, "_scale", {200, 1}, [](size_t row, size_t) { return row; }},
      {replaced(per_row, "\"channel\"", "\"tensor\""), "_scale", {1}, [](size_t, size_t) { return size_t{0}; }},
      {blocks, "_scale_inv", {2, 3}, [](size_t row, size_t block) { return row / 128 * 3 + block; }},
  };
  for (const Kind& kind : kinds) {
    INFO(kind.quantization);
    Sources all = sources();
    std::erase_if(all, [](const GgufTensorSource& source) { return source.name.find("_proj") != std::string::npos; });
    all.push_back(pattern_source(name, DType::F8_E4M3, {200, 384}));
    all.push_back(pattern_source(name + kind.ending, DType::F32, kind.scales));
    const auto file = open(folder, kind.quantization, all);
    if (!file) FAIL(file.error().message);
    const TensorView& view = *file->find("blk.0.ffn_down.weight");
    CHECK(view.type == DType::FP8);
    std::vector<std::byte> room;
    size_t wrong = 0;
    for (const size_t row : {0, 127, 128, 199}) {
      const std::byte* at = rows_of(view, 0, row, 1, room);
      for (size_t block = 0; block < 3; ++block, at += 132) {
        for (size_t i = 0; i < 4; ++i) {
          wrong += at[i] != pattern_byte(name + kind.ending, 0, kind.scale_of(row, block) * 4 + i);
        }
        for (size_t k = 0; k < 128; ++k) wrong += at[4 + k] != pattern_byte(name, 0, row * 384 + block * 128 + k);
      }
    }
    CHECK(wrong == 0);
    all.back() = pattern_source(name + kind.ending, DType::F32, {3, 3});
    expect_refusal(folder, kind.quantization, all, ErrorCode::corrupt_file, "shape [3, 3]");
  }
}

TEST_CASE("quantized tensors that do not fit together are refused", "[files]") {
  const TempFolder folder;
  const auto without = [](const char* name) {
    Sources all = sources();
    std::erase_if(all, [name](const GgufTensorSource& source) { return source.name == name; });
    return all;
  };
  const std::string gate = "model.layers.0.mlp.gate_proj.weight", scale = gate + "_scale";
  const auto with = [&](const char* name, DType type, const Shape& shape) {
    Sources all = without(name);
    all.push_back(pattern_source(name, type, shape));
    return all;
  };
  expect_refusal(folder, kInt8, without(scale.c_str()), ErrorCode::corrupt_file, "without");
  expect_refusal(folder, kInt8, without(gate.c_str()), ErrorCode::corrupt_file, "not there");
  expect_refusal(folder, kInt8, with(gate.c_str(), DType::F16, {96, 64}), ErrorCode::corrupt_file, "beside");
  expect_refusal(folder, kInt8, with(scale.c_str(), DType::F32, {64, 1}), ErrorCode::corrupt_file, "expected [96, 1]");
  expect_refusal(folder, kInt8, with(scale.c_str(), DType::I32, {96, 1}), ErrorCode::unsupported, "dtype I32");
  expect_refusal(folder, kInt8, with(gate.c_str(), DType::I8, {96, 48}), ErrorCode::unsupported, "48 columns");
  expect_refusal(folder, kInt8, with(gate.c_str(), DType::I8, {96 * 64}), ErrorCode::corrupt_file, "expected a matrix");
}

TEST_CASE("other quantizations are refused by what they ask for", "[files]") {
  const TempFolder folder;
  const std::vector<std::tuple<std::string, ErrorCode, const char*>> kinds = {
      {R"({"quant_method": "gptq"})", ErrorCode::unsupported, "'gptq'"},
      {"4", ErrorCode::corrupt_file, "'quant_method'"},
      {R"({"quant_method": 4})", ErrorCode::corrupt_file, "'quant_method'"},
      {R"({"quant_method": "compressed-tensors"})", ErrorCode::corrupt_file, "'config_groups'"},
      {R"({"quant_method": "compressed-tensors", "config_groups": {"a": 3}})", ErrorCode::corrupt_file, "'weights'"},
      {R"({"quant_method": "fp8", "weight_block_size": [64, 128]})", ErrorCode::unsupported, "'weight_block_size'"},
      {R"({"quant_method": "fp8"})", ErrorCode::unsupported, "'weight_block_size'"},
      {R"({"quant_method": "fp8", "fmt": "e5m2", "weight_block_size": [128, 128]})", ErrorCode::unsupported, "'fmt'"},
      {R"({"quant_method": "fp8", "activation_scheme": "static"})", ErrorCode::unsupported, "'activation_scheme'"},
      {replaced(kInt8, "\"num_bits\": 8", "\"num_bits\": 4"), ErrorCode::unsupported, "'num_bits' 4"},
      {replaced(kInt8, "\"channel\"", "\"group\""), ErrorCode::unsupported, "group"},
      {replaced(kInt8, "\"symmetric\": true", "\"symmetric\": false"), ErrorCode::unsupported, "'symmetric'"},
      {replaced(kInt8, "\"dynamic\": true", "\"dynamic\": false"), ErrorCode::unsupported, "static"},
      {replaced(kInt8, "\"output_activations\": null", "\"output_activations\": {\"num_bits\": 8}"), ErrorCode::unsupported,
       "'output_activations'"},
      {replaced(kInt8, "\"kv_cache_scheme\": null", "\"kv_cache_scheme\": {\"num_bits\": 8}"), ErrorCode::unsupported,
       "'kv_cache_scheme'"},
  };
  for (const auto& [quantization, code, says] : kinds) expect_refusal(folder, quantization, sources(), code, says);
}

TEST_CASE("heads of DeepSeek's latents take the scales of the blocks that their rows lie in", "[files]") {
  // 3 heads of 40 rows of keys and 24 of values: blocks of 128 rows end within a head, and between its keys and values.
  constexpr size_t kHeads = 3, kKeys = 40, kValues = 24, kRows = kHeads * (kKeys + kValues), kRank = 256;
  const auto code = [](size_t row, size_t col) {
    return static_cast<uint8_t>((row * 31 + col * 7) % 120 + (col % 3 == 0 ? 128 : 0));
  };
  const auto scale = [](size_t row, size_t col) { return 0.25f + static_cast<float>(row / 128 * 2 + col / 128); };
  const std::string name = "model.layers.0.self_attn.kv_b_proj.weight";
  GgufTensorSource codes{name, DType::F8_E4M3, {kRows, kRank}, 1, kRows * kRank, {}};
  codes.produce = [&](size_t, std::span<std::byte> out) -> Status {
    for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::byte>(code(i / kRank, i % kRank));
    return {};
  };
  GgufTensorSource scales{name + "_scale_inv", DType::F32, {2, 2}, 1, 16, {}};
  scales.produce = [&](size_t, std::span<std::byte> out) -> Status {
    const float values[] = {scale(0, 0), scale(0, 128), scale(128, 0), scale(128, 128)};
    std::memcpy(out.data(), values, sizeof values);
    return {};
  };
  const TempFolder folder;
  testing::write_file(folder / "config.json", R"({"model_type": "deepseek_v3", "hidden_size": 64, "intermediate_size": 96,
    "moe_intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 3, "num_key_value_heads": 3, "head_dim": 48,
    "vocab_size": 20, "kv_lora_rank": 256, "qk_nope_head_dim": 40, "qk_rope_head_dim": 8, "v_head_dim": 24, "q_lora_rank": null,
    "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}})");
  const Sources tensors = {pattern_source("lm_head.weight", DType::BF16, {20, 64}), codes, scales};
  REQUIRE(write_safetensors(folder / "model.safetensors", {}, tensors));
  const auto file = ModelFile::open(folder.path());
  if (!file) FAIL(file.error().message);
  const TensorView *keys = file->find("blk.0.attn_k_b.weight"), *values = file->find("blk.0.attn_v_b.weight");
  REQUIRE(keys != nullptr);
  REQUIRE(values != nullptr);
  CHECK(keys->shape == Shape{kHeads, kRank, kKeys});
  CHECK(keys->type == DType::F16);
  CHECK(values->shape == Shape{kHeads, kValues, kRank});
  CHECK(values->type == DType::FP8);
  const auto weight = [&](size_t row, size_t col) { return f32_from_e4m3(code(row, col)) * scale(row, col); };
  std::vector<std::byte> room;
  for (size_t head = 0; head < kHeads; ++head) {
    const size_t first = head * (kKeys + kValues);
    std::vector<float> row(kKeys), rounded(kKeys);
    for (size_t col = 0; col < kRank; ++col) {
      decode_row(DType::F16, rows_of(*keys, head, col, 1, room), row.data(), kKeys);
      for (size_t k = 0; k < kKeys; ++k) {
        uint16_t half;
        const float exact = weight(first + k, col);
        encode_row(DType::F16, &exact, reinterpret_cast<std::byte*>(&half), 1);
        decode_row(DType::F16, reinterpret_cast<const std::byte*>(&half), &rounded[k], 1);
      }
      CHECK(row == rounded);
    }
    std::vector<float> value_row(kRank);
    for (size_t v = 0; v < kValues; ++v) {
      decode_row(DType::FP8, rows_of(*values, head, v, 1, room), value_row.data(), kRank);
      size_t wrong = 0;
      for (size_t col = 0; col < kRank; ++col) wrong += value_row[col] != weight(first + kKeys + v, col);
      CHECK(wrong == 0);
    }
  }
}

}  // namespace siskin
