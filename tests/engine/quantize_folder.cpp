// quantize_model to folders: the reference encoding of every linear layer, a folder that is there whole or not at all, and the
// same results and reads when it runs.
#include <siskin/pack.h>
#include <siskin/quantize.h>
#include <siskin/session.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <fstream>
#include <vector>

#include "engine/model_impl.h"
#include "formats/blocks/codec.h"
#include "formats/blocks/fp8.h"
#include "formats/model_file.h"
#include "formats/safetensors.h"
#include "tests/engine/counting_table.h"
#include "tests/engine/tools_data.h"

using namespace siskin;
using tools_test::TempFolder;

namespace {

namespace fs = std::filesystem;

// A Llama of one layer; its ffn_down has 160 columns, whole groups of 32 and not of 128.
fs::path source(const TempFolder& folder) {
  const fs::path path = folder / "source";
  if (!fs::create_directory(path)) return path;
  std::ofstream(path / "config.json")
      << R"({"model_type": "llama", "hidden_size": 128, "intermediate_size": 160, "num_hidden_layers": 1, "num_attention_heads": 2,
             "num_key_value_heads": 1, "vocab_size": 70})";
  std::vector<GgufTensorSource> tensors;
  const auto add = [&](const std::string& name, const Shape& shape) {
    size_t n = 1;
    for (const size_t dim : shape) n *= dim;
    GgufTensorSource tensor{name, DType::F32, shape, 1, n * sizeof(float), {}};
    tensor.produce = [name, n](size_t, std::span<std::byte> out) -> Status {
      for (size_t i = 0; i < n; ++i) {
        const bool norm = name.find("norm") != name.npos;
        const auto angle = static_cast<float>(i * (name.size() + 3)) * 0.7f;
        const float value = norm ? 1.0f : std::sin(angle) * (0.05f + 0.2f * static_cast<float>(i % 7 == 0));
        std::memcpy(out.data() + i * sizeof(float), &value, sizeof(value));
      }
      return {};
    };
    tensors.push_back(std::move(tensor));
  };
  const std::string block = "model.layers.0.";
  add("model.embed_tokens.weight", {70, 128});
  add("model.norm.weight", {128});
  add("lm_head.weight", {70, 128});
  add(block + "input_layernorm.weight", {128});
  add(block + "post_attention_layernorm.weight", {128});
  add(block + "self_attn.q_proj.weight", {128, 128});
  add(block + "self_attn.k_proj.weight", {64, 128});
  add(block + "self_attn.v_proj.weight", {64, 128});
  add(block + "self_attn.o_proj.weight", {128, 128});
  add(block + "mlp.gate_proj.weight", {160, 128});
  add(block + "mlp.up_proj.weight", {160, 128});
  add(block + "mlp.down_proj.weight", {128, 160});
  REQUIRE(write_safetensors(path / "model.safetensors", {}, tensors));
  return path;
}

fs::path quantized(const TempFolder& folder, const std::string& type) {
  QuantizeOptions options;
  options.type = type;
  options.threads = 2;
  const auto report = quantize_model(source(folder), folder / "out", options);
  if (!report) FAIL(report.error().message);
  CHECK(report->types.at(type) == (type == "fp8" ? 6 : 7));
  CHECK(report->fallbacks.size() == (type == "fp8" ? 1 : 0));
  return folder / "out";
}

// The row of a folder: one scale, in FP8 repeated in every block.
std::vector<std::byte> encoded(DType type, const std::vector<float>& values) {
  std::vector<std::byte> row(row_bytes(type, values.size()));
  if (type == DType::W8A8) {
    encode_row(type, values.data(), row.data(), values.size());
    return row;
  }
  const float scale = fp8_scale(values.data(), values.size());
  for (size_t k = 0, at = 0; k < values.size(); k += 128, at += 132) {
    std::memcpy(row.data() + at, &scale, sizeof(scale));
    encode_fp8(values.data() + k, 128, scale, reinterpret_cast<uint8_t*>(row.data() + at + 4));
  }
  return row;
}

std::vector<float> logits_of(const fs::path& path) {
  const auto model = Model::load(path);
  if (!model) FAIL(model.error().message);
  SessionOptions options;
  options.threads = 2;
  auto session = Session::create(*model, options);
  REQUIRE(session);
  return *(*session)->logits(std::vector<TokenId>{1, 17, 3, 25, 60, 42, 7, 30});
}

}  // namespace

TEST_CASE("a quantized folder holds the reference encoding of its linear layers", "[quantize]") {
  const TempFolder folder;
  const std::string name = GENERATE("w8a8", "fp8");
  const DType type = find_dtype(name.c_str())->type;
  const auto before = ModelFile::open(source(folder));
  const auto after = ModelFile::open(quantized(folder, name));
  REQUIRE(before);
  if (!after) FAIL(after.error().message);
  REQUIRE(after->tensors().size() == before->tensors().size());
  for (const TensorView& tensor : before->tensors()) {
    INFO(tensor.name);
    const TensorView* written = after->find(tensor.name);
    REQUIRE(written != nullptr);
    CHECK(written->shape == tensor.shape);
    const bool linear =
        tensor.name.starts_with("blk.") && tensor.shape.size() == 2 && tensor.cols() % dtype_info(type).block_elems == 0;
    REQUIRE(written->type == (linear ? type : tensor.type));
    if (!linear) {
      CHECK(std::memcmp(written->slices[0], tensor.slices[0], tensor.slice_bytes) == 0);
      continue;
    }
    std::vector<std::byte> room;
    std::vector<float> values(tensor.cols());
    for (size_t r = 0; r < tensor.rows(); ++r) {
      decode_row(tensor.type, tensor.slices[0] + r * row_bytes(tensor.type, tensor.cols()), values.data(), values.size());
      const std::vector<std::byte> want = encoded(type, values);
      CHECK(std::memcmp(rows_of(*written, 0, r, 1, room), want.data(), want.size()) == 0);
    }
  }
}

TEST_CASE("a quantized folder runs, packs and is counted as what it is", "[quantize]") {
  const TempFolder folder;
  const std::string name = GENERATE("w8a8", "fp8");
  const fs::path out = quantized(folder, name);
  const std::vector<float> want = logits_of(source(folder)), got = logits_of(out);
  double largest = 0.0, apart = 0.0;
  for (size_t i = 0; i < want.size(); ++i) {
    largest = std::max(largest, std::fabs(static_cast<double>(want[i])));
    apart = std::max(apart, std::fabs(static_cast<double>(want[i]) - static_cast<double>(got[i])));
  }
  CHECK(apart > 0.0);
  // A weight moves by up to 1/254 of its row's largest, about 0.7 % of the row in the mean, or, of E4M3's 3 bits of fraction, by up
  // to 2^-4 of itself, 3.6 % in the mean: five times as far.
  CHECK(apart < (name == "w8a8" ? 0.05 : 0.25) * largest);
  REQUIRE(pack_model(out, folder / "m.packed"));
  CHECK(logits_of(folder / "m.packed") == got);

  const auto model = Model::load(out);
  REQUIRE(model);
  auto& impl = const_cast<Model::Impl&>((*model)->impl());
  impl.isa = &test::counting_isa(*impl.isa);
  auto session = Session::create(*model, {});
  REQUIRE(session);
  Request request;
  request.tokens = {1, 17, 3};
  request.max_new_tokens = 1;
  request.ignore_eos = true;
  const auto completion = (*session)->generate(request);
  REQUIRE(completion);
  CHECK(completion->cost.prefill.weight_bytes == test::take_reads().weight_bytes());
}

TEST_CASE("what a quantized folder must not replace, and what it is not made of", "[quantize]") {
  const TempFolder folder;
  QuantizeOptions options;
  options.type = "w8a8";
  const fs::path out = quantized(folder, "w8a8");
  const auto says = [&](const fs::path& in, const fs::path& to) {
    const auto report = quantize_model(in, to, options);
    return report ? std::string("written") : report.error().message;
  };
  CHECK(says(source(folder), out).find("is there already") != std::string::npos);
  CHECK(says(out, folder / "again").find("quantized already") != std::string::npos);
  CHECK(says(places::zoo() / "dense-s-f16.gguf", folder / "again").find("Hugging Face folders") != std::string::npos);
  options.on_progress = [](uint64_t, uint64_t) { return false; };
  CHECK(says(source(folder), folder / "again").find("cancelled") != std::string::npos);
  size_t left = 0;
  for (const auto& entry : fs::directory_iterator(folder.path())) left += entry.path() == out || entry.path() == source(folder) ? 0 : 1;
  CHECK(left == 0);

  // Back to plain weights, and on to GGUF's types.
  options = {};
  options.type = "q8_0";
  REQUIRE(quantize_model(out, folder / "m.gguf", options));
  CHECK(ModelFile::open(folder / "m.gguf")->find("blk.0.attn_q.weight")->type == DType::Q8_0);
  options.type = "auto";
  REQUIRE(quantize_model(out, folder / "m.gguf", options));
  CHECK(ModelFile::open(folder / "m.gguf")->find("blk.0.attn_q.weight")->type == DType::F16);
}
