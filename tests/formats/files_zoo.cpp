// The bundled models, as other writers made them: every file opens, and a folder and a GGUF of one model show the same tensors.
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstring>
#include <map>

#include "formats/blocks/half.h"
#include "formats/model_file.h"
#include "tests/formats/files_support.h"

namespace siskin {
namespace {

namespace fs = std::filesystem;

// The folder models/, or empty after saying that the test is skipped.
fs::path models(const char* test) {
  const fs::path data = testing::test_data();
  if (data.empty()) std::printf("skipped: %s: no models/ in SISKIN_TEST_DATA\n", test);
  return data.empty() ? data : data / "models";
}

std::map<std::string, Shape> shapes(const ModelFile& file) {
  std::map<std::string, Shape> by_name;
  for (const TensorView& tensor : file.tensors()) by_name[tensor.name] = tensor.shape;
  return by_name;
}

// What a llama file must hold, from its own metadata.
std::map<std::string, Shape> expected_shapes(const ModelFile& file, bool tied) {
  const auto n = [&file](const char* key) { return static_cast<size_t>(*file.metadata().u64_or(key, 0)); };
  const size_t d = n("llama.embedding_length"), ff = n("llama.feed_forward_length"), vocab = n("llama.vocab_size");
  const size_t head_dim = n("llama.rope.dimension_count"), kv = n("llama.attention.head_count_kv") * head_dim;
  const size_t q = n("llama.attention.head_count") * head_dim, experts = n("llama.expert_count");
  std::map<std::string, Shape> expected = {{"token_embd.weight", {vocab, d}}, {"output_norm.weight", {d}}};
  if (!tied) expected["output.weight"] = {vocab, d};
  for (size_t i = 0; i < n("llama.block_count"); ++i) {
    const std::string block = "blk." + std::to_string(i) + ".";
    expected[block + "attn_norm.weight"] = {d};
    expected[block + "ffn_norm.weight"] = {d};
    expected[block + "attn_q.weight"] = {q, d};
    expected[block + "attn_k.weight"] = {kv, d};
    expected[block + "attn_v.weight"] = {kv, d};
    expected[block + "attn_output.weight"] = {d, q};
    if (experts > 0) {
      expected[block + "ffn_gate_inp.weight"] = {experts, d};
      expected[block + "ffn_gate_exps.weight"] = {experts, ff, d};
      expected[block + "ffn_up_exps.weight"] = {experts, ff, d};
      expected[block + "ffn_down_exps.weight"] = {experts, d, ff};
    } else {
      expected[block + "ffn_gate.weight"] = {ff, d};
      expected[block + "ffn_up.weight"] = {ff, d};
      expected[block + "ffn_down.weight"] = {d, ff};
    }
  }
  return expected;
}

std::vector<float> values(const TensorView& tensor, size_t slice) {
  std::vector<float> out(tensor.slice_bytes / row_bytes(tensor.type, 1));
  for (size_t i = 0; i < out.size(); ++i) {
    if (tensor.type == DType::F32) {
      std::memcpy(&out[i], tensor.slices[slice] + 4 * i, 4);
    } else {
      uint16_t half = 0;
      std::memcpy(&half, tensor.slices[slice] + 2 * i, 2);
      out[i] = f32_from_f16(half);
    }
  }
  return out;
}

TEST_CASE("every GGUF model of the zoo opens with its whole list of tensors", "[files]") {
  const fs::path folder = models("zoo GGUF files");
  if (folder.empty()) return;
  for (const char* name : {"dense-m", "dense-s", "moe-8x", "pruned-m", "pruned-m-raw"}) {
    INFO(name);
    const auto file = ModelFile::open(folder / "zoo" / (std::string(name) + "-f16.gguf"));
    REQUIRE(file);
    CHECK_FALSE(file->is_hugging_face());
    CHECK(rope_pairing(*file) == RopePairing::interleaved);
    CHECK(shapes(*file) == expected_shapes(*file, true));
    for (const TensorView& tensor : file->tensors()) {
      const bool is_f32 = tensor.shape.size() == 1 || tensor.name.find("ffn_gate_inp") != std::string::npos;
      CHECK(tensor.type == (is_f32 ? DType::F32 : DType::F16));
    }
    CHECK(file->metadata().strings("tokenizer.ggml.tokens")->size() == 4096);
  }
}

TEST_CASE("a file by another converter, with an untied head, opens", "[files]") {
  const fs::path folder = models("stories260K");
  if (folder.empty()) return;
  const auto file = ModelFile::open(folder / "stories260K/stories260K.gguf");
  REQUIRE(file);
  CHECK(file->tensors().size() == 48);
  CHECK(file->find("output.weight")->shape == Shape{512, 64});
  CHECK(file->find("blk.4.ffn_down.weight")->shape == Shape{64, 172});
}

TEST_CASE("a Hugging Face folder and the GGUF of the same model show the same tensors and keys", "[files]") {
  const fs::path folder = models("zoo folders");
  if (folder.empty()) return;
  const std::string name = GENERATE("dense-m", "moe-8x");
  const auto hf = ModelFile::open(folder / "zoo" / name);
  const auto gguf = ModelFile::open(folder / "zoo" / (name + "-f16.gguf"));
  REQUIRE(hf);
  REQUIRE(gguf);
  CHECK(hf->is_hugging_face());
  CHECK(shapes(*hf) == shapes(*gguf));
  for (const TensorView& ours : hf->tensors()) {
    INFO(ours.name);
    const TensorView* theirs = gguf->find(ours.name);
    REQUIRE(theirs != nullptr);
    REQUIRE(ours.slices.size() == theirs->slices.size());
    // GGUF holds q and k in another row order.
    if (ours.name.find("attn_q.") != std::string::npos || ours.name.find("attn_k.") != std::string::npos) continue;
    for (size_t slice = 0; slice < ours.slices.size(); ++slice) CHECK(values(ours, slice) == values(*theirs, slice));
  }
  for (const auto& [key, value] : gguf->metadata().all()) {
    if (!key.starts_with("llama.") && key != "general.architecture" && key != "general.name") continue;
    INFO(key);
    REQUIRE(hf->metadata().has(key));
    CHECK(*hf->metadata().find(key) == value);
  }
}

TEST_CASE("a tied checkpoint that names its matrix lm_head opens", "[files]") {
  const fs::path folder = models("tinystories-656K");
  if (folder.empty()) return;
  const auto file = ModelFile::open(folder / "tinystories-656K");
  REQUIRE(file);
  CHECK(shapes(*file) == expected_shapes(*file, true));
}

TEST_CASE("mixtral checkpoints with single and with stacked experts open alike", "[files]") {
  const fs::path folder = models("moe-fixtures");
  if (folder.empty()) return;
  const fs::path fixtures = folder / "moe-fixtures";
  const testing::TempFolder stacked, single;
  fs::create_symlink(fixtures / "mixtral_tiny_config.json", stacked / "config.json");
  fs::create_symlink(fixtures / "full_mixtral.safetensors", stacked / "model.safetensors");
  fs::create_symlink(fixtures / "mixtral_classic_config.json", single / "config.json");
  fs::create_symlink(fixtures / "mixtral_classic.safetensors", single / "model.safetensors");
  const auto a = ModelFile::open(stacked.path());
  const auto b = ModelFile::open(single.path());
  REQUIRE(a);
  REQUIRE(b);
  CHECK(shapes(*a) == shapes(*b));
  CHECK(shapes(*a) == expected_shapes(*a, false));
}

}  // namespace
}  // namespace siskin
