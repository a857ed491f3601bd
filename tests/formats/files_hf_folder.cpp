// Hugging Face folders built on the spot: names, experts, tied heads, shards, and folders that must be refused.
#include <algorithm>
#include <catch2/catch.hpp>

#include "formats/model_file.h"
#include "formats/safetensors.h"
#include "tests/formats/files_safetensors_bytes.h"
#include "tests/formats/files_support.h"

namespace siskin {
namespace {

using testing::pattern_source;
using testing::TempFolder;
using Sources = std::vector<GgufTensorSource>;

constexpr size_t kHidden = 8, kFf = 12, kExperts = 3;

std::string config(const std::string& family, const std::string& extra = "") {
  return R"({"model_type": ")" + family + R"(", "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 20, "num_local_experts": 3)" +
         extra + "}";
}

void add_common(Sources& sources, const std::string& prefix, size_t layer) {
  const std::string block = prefix + "layers." + std::to_string(layer) + ".";
  sources.push_back(pattern_source(block + "input_layernorm.weight", DType::F32, {kHidden}));
  sources.push_back(pattern_source(block + "self_attn.q_proj.weight", DType::F16, {8, kHidden}));
  sources.push_back(pattern_source(block + "self_attn.k_proj.weight", DType::F16, {4, kHidden}));
  sources.push_back(pattern_source(block + "self_attn.v_proj.weight", DType::F16, {4, kHidden}));
  sources.push_back(pattern_source(block + "self_attn.o_proj.weight", DType::F16, {kHidden, 8}));
  sources.push_back(pattern_source(block + "post_attention_layernorm.weight", DType::F32, {kHidden}));
}

Sources ends(const std::string& prefix) {
  return {pattern_source(prefix + "embed_tokens.weight", DType::BF16, {20, kHidden}),
          pattern_source(prefix + "norm.weight", DType::F32, {kHidden}),
          pattern_source("lm_head.weight", DType::BF16, {20, kHidden})};
}

Sources llama_sources(const std::string& prefix = "model.") {
  Sources sources = ends(prefix);
  for (size_t layer = 0; layer < 2; ++layer) {
    add_common(sources, prefix, layer);
    const std::string mlp = prefix + "layers." + std::to_string(layer) + ".mlp.";
    sources.push_back(pattern_source(mlp + "gate_proj.weight", DType::F16, {kFf, kHidden}));
    sources.push_back(pattern_source(mlp + "up_proj.weight", DType::F16, {kFf, kHidden}));
    sources.push_back(pattern_source(mlp + "down_proj.weight", DType::F16, {kHidden, kFf}));
  }
  return sources;
}

Sources mixtral_sources() {
  Sources sources = ends("model.");
  for (size_t layer = 0; layer < 2; ++layer) {
    add_common(sources, "model.", layer);
    const std::string moe = "model.layers." + std::to_string(layer) + ".block_sparse_moe.";
    sources.push_back(pattern_source(moe + "gate.weight", DType::F32, {kExperts, kHidden}));
    for (size_t e = 0; e < kExperts; ++e) {
      const std::string expert = moe + "experts." + std::to_string(e) + ".";
      sources.push_back(pattern_source(expert + "w1.weight", DType::F16, {kFf, kHidden}));
      sources.push_back(pattern_source(expert + "w2.weight", DType::F16, {kHidden, kFf}));
      sources.push_back(pattern_source(expert + "w3.weight", DType::F16, {kFf, kHidden}));
    }
  }
  return sources;
}

void write_folder(const TempFolder& folder, const std::string& config_text, const Sources& sources) {
  testing::write_file(folder / "config.json", config_text);
  REQUIRE(write_safetensors(folder / "model.safetensors", {{"format", "pt"}}, sources));
}

bool holds(const TensorView& view, size_t slice, const std::string& source, size_t source_slice = 0, size_t from = 0) {
  for (size_t i = 0; i < view.slice_bytes; ++i) {
    if (view.slices[slice][i] != testing::pattern_byte(source, source_slice, from + i)) return false;
  }
  return true;
}

// The folder must be refused with this code, and the one line must say this.
void check_refused(const TempFolder& folder, ErrorCode code, const std::string& says) {
  const auto file = ModelFile::open(folder.path());
  REQUIRE_FALSE(file);
  INFO(file.error().message);
  CHECK(file.error().code == code);
  CHECK(file.error().message.find(says) != std::string::npos);
  CHECK(file.error().message.find('\n') == std::string::npos);
}

GgufTensorSource& named(Sources& sources, const std::string& name) {
  const auto found = std::find_if(sources.begin(), sources.end(), [&](const auto& s) { return s.name == name; });
  REQUIRE(found != sources.end());
  return *found;
}

void drop(Sources& sources, const std::string& name) {
  std::erase_if(sources, [&](const GgufTensorSource& source) { return source.name == name; });
}

TEST_CASE("a llama folder shows GGUF's tensor names, with or without the prefix model.", "[files]") {
  const std::string prefix = GENERATE("model.", "");
  const TempFolder folder;
  write_folder(folder, config("llama"), llama_sources(prefix));
  const auto file = ModelFile::open(folder.path());
  REQUIRE(file);
  CHECK(file->is_hugging_face());
  CHECK(rope_pairing(*file) == RopePairing::half_split);
  CHECK(file->tensors().size() == 21);
  CHECK(file->tensors()[0].name == "token_embd.weight");
  CHECK(file->file_bytes() == std::filesystem::file_size(folder / "model.safetensors"));
  const TensorView* down = file->find("blk.1.ffn_down.weight");
  REQUIRE(down != nullptr);
  CHECK(down->shape == Shape{kHidden, kFf});
  CHECK(down->type == DType::F16);
  CHECK(holds(*down, 0, prefix + "layers.1.mlp.down_proj.weight"));
  CHECK(file->find("output.weight") != nullptr);
  CHECK(file->find("blk.2.ffn_down.weight") == nullptr);
  CHECK(file->find("model.norm.weight") == nullptr);
}

TEST_CASE("the experts of a mixtral folder become slices of one tensor", "[files]") {
  const TempFolder folder;
  write_folder(folder, config("mixtral"), mixtral_sources());
  const auto file = ModelFile::open(folder.path());
  REQUIRE(file);
  CHECK(file->tensors().size() == 3 + 2 * (6 + 4));
  const std::vector<std::pair<const char*, const char*>> names = {
      {"ffn_gate_exps", "w1"}, {"ffn_down_exps", "w2"}, {"ffn_up_exps", "w3"}};
  for (const auto& [gguf, hf] : names) {
    const TensorView* view = file->find("blk.1." + std::string(gguf) + ".weight");
    REQUIRE(view != nullptr);
    REQUIRE(view->slices.size() == kExperts);
    CHECK(view->shape.size() == 3);
    CHECK(view->shape[0] == kExperts);
    CHECK(view->rows() * view->cols() == kFf * kHidden);
    for (size_t e = 0; e < kExperts; ++e) {
      CHECK(holds(*view, e, "model.layers.1.block_sparse_moe.experts." + std::to_string(e) + "." + hf + ".weight"));
    }
  }
  CHECK(file->find("blk.0.ffn_gate_inp.weight")->shape == Shape{kExperts, kHidden});
}

TEST_CASE("stacked experts, as transformers 5 writes them, become the same slices", "[files]") {
  const TempFolder folder;
  Sources sources = ends("model.");
  for (size_t layer = 0; layer < 2; ++layer) {
    add_common(sources, "model.", layer);
    const std::string mlp = "model.layers." + std::to_string(layer) + ".mlp.";
    sources.push_back(pattern_source(mlp + "gate.weight", DType::F32, {kExperts, kHidden}));
    sources.push_back(pattern_source(mlp + "experts.gate_up_proj", DType::F16, {kExperts, 2 * kFf, kHidden}, kExperts));
    sources.push_back(pattern_source(mlp + "experts.down_proj", DType::F16, {kExperts, kHidden, kFf}, kExperts));
  }
  write_folder(folder, config("mixtral"), sources);
  const auto file = ModelFile::open(folder.path());
  REQUIRE(file);
  CHECK(file->tensors().size() == 3 + 2 * (6 + 4));
  const TensorView* gate = file->find("blk.0.ffn_gate_exps.weight");
  const TensorView* up = file->find("blk.0.ffn_up_exps.weight");
  const TensorView* down = file->find("blk.0.ffn_down_exps.weight");
  REQUIRE((gate != nullptr && up != nullptr && down != nullptr));
  CHECK(gate->shape == Shape{kExperts, kFf, kHidden});
  CHECK(up->shape == gate->shape);
  CHECK(down->shape == Shape{kExperts, kHidden, kFf});
  for (size_t e = 0; e < kExperts; ++e) {
    CHECK(holds(*gate, e, "model.layers.0.mlp.experts.gate_up_proj", e));
    CHECK(holds(*up, e, "model.layers.0.mlp.experts.gate_up_proj", e, gate->slice_bytes));
    CHECK(holds(*down, e, "model.layers.0.mlp.experts.down_proj", e));
  }
}

TEST_CASE("a tied head is left out, whichever name its matrix has", "[files]") {
  const TempFolder folder;
  Sources sources = llama_sources();
  SECTION("both names") {}
  SECTION("the embedding alone") { drop(sources, "lm_head.weight"); }
  SECTION("the head alone") { drop(sources, "model.embed_tokens.weight"); }
  write_folder(folder, config("llama", R"(, "tie_word_embeddings": true)"), sources);
  const auto file = ModelFile::open(folder.path());
  REQUIRE(file);
  CHECK(file->tensors().size() == 20);
  REQUIRE(file->find("token_embd.weight") != nullptr);
  CHECK(file->find("token_embd.weight")->name == "token_embd.weight");
  CHECK(file->find("output.weight") == nullptr);
}

TEST_CASE("buffers that nothing reads are left out, whatever their type", "[files]") {
  const TempFolder folder;
  Sources sources = llama_sources();
  sources.push_back(pattern_source("model.layers.0.self_attn.rotary_emb.inv_freq", DType::F64, {4}));
  sources.push_back(pattern_source("model.layers.0.attention.masked_bias", DType::I8, {1}));
  write_folder(folder, config("llama"), sources);
  const auto file = ModelFile::open(folder.path());
  REQUIRE(file);
  CHECK(file->tensors().size() == 21);
}

TEST_CASE("shards are read as one model", "[files]") {
  const TempFolder folder;
  testing::write_file(folder / "config.json", config("mixtral"));
  REQUIRE(write_safetensors_shards(folder.path(), {}, mixtral_sources(), 700));
  const size_t n_files = folder.entries();
  REQUIRE(n_files > 4);
  SECTION("all there") {
    const auto file = ModelFile::open(folder.path());
    REQUIRE(file);
    CHECK(file->tensors().size() == 23);
    const TensorView* exps = file->find("blk.0.ffn_up_exps.weight");
    CHECK(holds(*exps, 2, "model.layers.0.block_sparse_moe.experts.2.w3.weight"));
    for (const TensorView& tensor : file->tensors()) file->release(tensor);
    CHECK(holds(*exps, 2, "model.layers.0.block_sparse_moe.experts.2.w3.weight"));
  }
  std::string second;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("model-00002")) second = name;
  }
  SECTION("one missing") {
    std::filesystem::remove(folder / second);
    check_refused(folder, ErrorCode::not_found, second + ": the shard is missing");
  }
  SECTION("one empty") {
    testing::write_file(folder / second, "");
    check_refused(folder, ErrorCode::corrupt_file, second + ": the file is empty");
  }
  SECTION("one swapped for another") {
    std::filesystem::copy_file(folder / ("model-00001" + second.substr(11)), folder / second,
                               std::filesystem::copy_options::overwrite_existing);
    check_refused(folder, ErrorCode::corrupt_file, "the index does not list it");
  }
  SECTION("one with fewer tensors than the index lists") {
    REQUIRE(write_safetensors(folder / second, {}, {}));
    check_refused(folder, ErrorCode::corrupt_file, "lists");
  }
}

TEST_CASE("Hugging Face folders whose tensors and configuration disagree are refused", "[files]") {
  const TempFolder folder;
  Sources sources = mixtral_sources();
  const std::string expert1 = "model.layers.1.block_sparse_moe.experts.1.w1.weight";
  ErrorCode code = ErrorCode::corrupt_file;
  std::string says, text = config("mixtral");
  SECTION("an expert is missing") {
    drop(sources, expert1);
    says = "blk.1.ffn_gate_exps.weight: 2 experts, expected 3";
  }
  SECTION("an expert too many") {
    named(sources, expert1).name = "model.layers.1.block_sparse_moe.experts.3.w1.weight";
    says = "has 3 experts";
  }
  SECTION("an expert number that is huge") {
    named(sources, expert1).name = "model.layers.1.block_sparse_moe.experts.99999999999999999999.w1.weight";
    code = ErrorCode::unsupported;
    says = "no place";
  }
  SECTION("an expert of another shape") {
    named(sources, expert1) = pattern_source(expert1, DType::F16, {kFf, kHidden + 1});
    says = "as expert 0";
  }
  SECTION("an expert of another type") {
    named(sources, expert1) = pattern_source(expert1, DType::BF16, {kFf, kHidden});
    says = "as expert 0";
  }
  SECTION("one expert under two numbers") {
    sources.push_back(pattern_source("model.layers.1.block_sparse_moe.experts.01.w1.weight", DType::F16, {kFf, kHidden}));
    says = "another name";
  }
  SECTION("a tensor with and without the prefix") {
    sources.push_back(pattern_source("norm.weight", DType::F32, {kHidden}));
    says = "another name";
  }
  SECTION("a layer too many") {
    named(sources, "model.layers.1.input_layernorm.weight").name = "model.layers.2.input_layernorm.weight";
    says = "has 2 layers";
  }
  SECTION("a tensor that no model here has") {
    sources.push_back(pattern_source("model.layers.0.self_attn.q_proj.bias", DType::F16, {8}));
    code = ErrorCode::unsupported;
    says = "'model.layers.0.self_attn.q_proj.bias' has no place";
  }
  SECTION("a type that is not read") {
    named(sources, "model.norm.weight") = pattern_source("model.norm.weight", DType::I64, {kHidden});
    code = ErrorCode::unsupported;
    says = "dtype I64";
  }
  SECTION("no head, and the embeddings are not tied") {
    drop(sources, "lm_head.weight");
    says = "no tensor 'lm_head.weight'";
  }
  SECTION("stacked experts of another number") {
    sources.push_back(pattern_source("model.layers.0.mlp.experts.down_proj", DType::F16, {2, kHidden, kFf}));
    says = "expected [3, rows, cols]";
  }
  SECTION("stacked experts with an odd number of rows") {
    sources.push_back(pattern_source("model.layers.0.mlp.experts.gate_up_proj", DType::F16, {3, 5, kHidden}));
    says = "even number";
  }
  SECTION("stacked experts beside single ones") {
    sources.push_back(pattern_source("model.layers.0.mlp.experts.down_proj", DType::F16, {3, kHidden, kFf}));
    says = "another name";
  }
  SECTION("experts in a dense model") {
    text = config("llama");
    says = "has 0 experts";
  }
  write_folder(folder, text, sources);
  check_refused(folder, code, says);
}

TEST_CASE("tensors without weights are refused", "[files]") {
  const TempFolder folder;
  testing::write_file(folder / "config.json", config("llama"));
  const std::string shape = GENERATE("[]", "[0, 8]");
  const std::string end = shape == "[]" ? "4" : "0";
  testing::write_file(folder / "model.safetensors",
                      testing::safetensors_bytes(R"({"model.norm.weight": {"dtype": "F32", "shape": )" + shape +
                                                     R"(, "data_offsets": [0, )" + end + "]}}",
                                                 shape == "[]" ? 4 : 0));
  check_refused(folder, ErrorCode::corrupt_file, "holds no weights");
}

}  // namespace
}  // namespace siskin
