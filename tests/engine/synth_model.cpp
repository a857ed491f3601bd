// synthesize_model: files that open again with the right shapes, the same for every run and thread count.
#include <siskin/synth.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>

#include "formats/blocks/codec.h"
#include "formats/model_file.h"
#include "tests/engine/tools_data.h"

using namespace siskin;
using tools_test::TempFolder;

namespace {

std::string write_shape(const TempFolder& folder, const char* extra) {
  const auto path = folder / "shape.txt";
  std::ofstream(path) << "name = tiny\narchitecture = llama\nn_layers = 2\nd_model = 64\nn_heads = 4\nn_kv_heads = 2\n"
                         "head_dim = 32\nd_ff = 96\nn_vocab = 300\nctx = 128\n"
                      << extra;
  return path.string();
}

SynthOptions like(const std::string& shape, const char* type, unsigned threads = 2) {
  SynthOptions options;
  options.like = shape;
  options.type = type;
  options.threads = threads;
  return options;
}

const char* const kMixture = "n_experts = 6\ntop_k = 2\n";

}  // namespace

TEST_CASE("a synthesised mixture opens with its shapes, types and tokenizer", "[synth]") {
  const TempFolder folder;
  const char* type = GENERATE("f32", "f16", "bf16", "q8_0", "q4_0");
  const auto report = synthesize_model(folder / "m.gguf", like(write_shape(folder, kMixture), type));
  if (!report) FAIL(report.error().message);
  const auto file = ModelFile::open(folder / "m.gguf");
  if (!file) FAIL(file.error().message);

  uint64_t params = 0;
  for (const TensorView& tensor : file->tensors()) params += tensor.elements();
  CHECK(params == report->total_params);
  CHECK(report->active_params == report->total_params - 2 * 4 * 3 * 64 * 96);
  CHECK(report->bytes == std::filesystem::file_size(folder / "m.gguf"));
  CHECK(file->find("token_embd.weight")->shape == Shape{300, 64});
  CHECK(file->find("output.weight")->shape == Shape{300, 64});
  CHECK(file->find("blk.1.attn_q.weight")->shape == Shape{128, 64});
  CHECK(file->find("blk.1.attn_k.weight")->shape == Shape{64, 64});
  CHECK(file->find("blk.1.attn_output.weight")->shape == Shape{64, 128});
  CHECK(file->find("blk.1.ffn_down_exps.weight")->shape == Shape{6, 64, 96});
  CHECK(file->find("blk.1.ffn_down_exps.weight")->type == find_dtype(type)->type);
  CHECK(file->find("blk.1.ffn_gate_inp.weight")->type == DType::F32);
  CHECK(file->metadata().u64("llama.expert_used_count").operator*() == 2);
  CHECK(file->metadata().u64("llama.rope.dimension_count").operator*() == 32);
  const auto* tokens = file->metadata().strings("tokenizer.ggml.tokens");
  REQUIRE(tokens != nullptr);
  CHECK(tokens->size() == 300);
  CHECK((*tokens)[3 + 10] == "<0x0A>");
}

TEST_CASE("a synthesised mixture of types gives each matrix its own", "[synth]") {
  const TempFolder folder;
  const auto path = folder / "wide.txt";
  std::ofstream(path)
      << "name = wide\narchitecture = llama\nn_layers = 8\nd_model = 256\nn_heads = 4\nn_kv_heads = 2\nhead_dim = 64\n"
         "d_ff = 512\nn_vocab = 300\nctx = 128\n";
  const auto report = synthesize_model(folder / "m.gguf", like(path.string(), "q4_k_m"));
  if (!report) FAIL(report.error().message);
  const auto file = ModelFile::open(folder / "m.gguf");
  REQUIRE(file);
  const auto type = [&](const char* name) { return file->find(name)->type; };
  CHECK(type("blk.1.ffn_down.weight") == DType::Q4_K);
  CHECK(type("blk.0.ffn_down.weight") == DType::Q6_K);
  CHECK(type("blk.7.attn_v.weight") == DType::Q6_K);
  CHECK(type("blk.7.attn_q.weight") == DType::Q4_K);
  CHECK(type("token_embd.weight") == DType::Q4_K);
  CHECK(type("output.weight") == DType::Q6_K);
  CHECK(type("output_norm.weight") == DType::F32);
  CHECK(file->metadata().u64("general.file_type").operator*() == 15);
}

TEST_CASE("the same seed gives the same bytes on any number of threads", "[synth]") {
  const TempFolder folder;
  const std::string shape = write_shape(folder, kMixture);
  REQUIRE(synthesize_model(folder / "a.gguf", like(shape, "q8_0", 1)));
  REQUIRE(synthesize_model(folder / "b.gguf", like(shape, "q8_0", 4)));
  SynthOptions other = like(shape, "q8_0");
  other.seed = 2;
  REQUIRE(synthesize_model(folder / "c.gguf", other));
  const std::string a = tools_test::read_file(folder / "a.gguf");
  CHECK(a == tools_test::read_file(folder / "b.gguf"));
  CHECK(a != tools_test::read_file(folder / "c.gguf"));
}

TEST_CASE("a skewed model has a common component that no layer overwrites", "[synth]") {
  const TempFolder folder;
  SynthOptions options = like(write_shape(folder, kMixture), "q4_0");
  options.router_skew = 1;
  REQUIRE(synthesize_model(folder / "m.gguf", options));
  const auto file = ModelFile::open(folder / "m.gguf");
  REQUIRE(file);
  const auto value = [&](const char* name, size_t slice, size_t row, size_t col) {
    const TensorView& tensor = *file->find(name);
    std::vector<float> values(tensor.cols());
    decode_row(tensor.type, tensor.slices[slice] + row * row_bytes(tensor.type, tensor.cols()), values.data(), tensor.cols());
    return values[col];
  };
  const float common = value("token_embd.weight", 0, 0, 0);
  CHECK(common == Approx(4 * std::sqrt(2.0 * 2)).epsilon(0.01));
  CHECK(value("token_embd.weight", 0, 299, 0) == Approx(static_cast<double>(common)));
  for (size_t col = 0; col < 96; ++col) CHECK(value("blk.0.ffn_down_exps.weight", 5, 0, col) == 0);
  CHECK(value("blk.0.ffn_down_exps.weight", 5, 1, 0) != 0);
  CHECK(value("blk.1.attn_output.weight", 0, 0, 17) == 0);
}

TEST_CASE("layers can be cut, and what cannot be is refused", "[synth]") {
  const TempFolder folder;
  SynthOptions one_layer = like(write_shape(folder, "tied = 1\n"), "f16");
  one_layer.layers = 1;
  REQUIRE(synthesize_model(folder / "m.gguf", one_layer));
  const auto file = ModelFile::open(folder / "m.gguf");
  REQUIRE(file);
  CHECK(file->find("blk.1.attn_q.weight") == nullptr);
  CHECK(file->find("output.weight") == nullptr);
  CHECK(file->metadata().u64("llama.block_count").operator*() == 1);

  const auto code = [&](const SynthOptions& options) { return synthesize_model(folder / "x.gguf", options).error().code; };
  CHECK(code(like(one_layer.like, "iq2_xxs")) == ErrorCode::invalid_argument);
  CHECK(code(like((folder / "absent.txt").string(), "q8_0")) == ErrorCode::not_found);
  SynthOptions skewed = one_layer;
  skewed.router_skew = -1;
  CHECK(code(skewed) == ErrorCode::invalid_argument);
  CHECK(!std::filesystem::exists(folder / "x.gguf"));
}

TEST_CASE("a model larger than the disk is refused before a byte is written", "[synth]") {
  const TempFolder folder;
  const auto shape = folder / "huge.txt";
  std::ofstream(shape)
      << "architecture = llama\nn_layers = 4\nd_model = 1048576\nn_heads = 64\nn_kv_heads = 64\nhead_dim = 128\n"
         "d_ff = 16777216\nn_vocab = 300\nctx = 128\n";
  const auto report = synthesize_model(folder / "huge.gguf", like(shape.string(), "f32"));
  REQUIRE(!report);
  CHECK(report.error().code == ErrorCode::io);
  CHECK(report.error().message.find("free") != std::string::npos);
  CHECK(!std::filesystem::exists(folder / "huge.gguf"));
}
