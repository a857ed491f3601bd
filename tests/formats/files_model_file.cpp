// Opening models by path: what is told from what, split GGUF files, and errors that help.
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <cstring>

#include "formats/model_file.h"
#include "tests/formats/files_support.h"

namespace siskin {
namespace {

using testing::GgufBytes;
using testing::pattern_source;
using testing::TempFolder;

void check_refused(const std::filesystem::path& path, ErrorCode code, const std::string& says) {
  const auto file = ModelFile::open(path);
  REQUIRE_FALSE(file);
  INFO(file.error().message);
  CHECK(file.error().code == code);
  CHECK(file.error().message.starts_with(path.parent_path().string()));
  CHECK(file.error().message.find(says) != std::string::npos);
  CHECK(file.error().message.find('\n') == std::string::npos);
}

TEST_CASE("a GGUF file is opened whatever its name", "[files]") {
  const TempFolder folder;
  Metadata m;
  m.set("general.architecture", std::string(GENERATE("llama", "qwen2")));
  const std::vector<GgufTensorSource> sources = {pattern_source("a", DType::F32, {3000}), pattern_source("b", DType::F32, {5})};
  REQUIRE(write_gguf(folder / "model.bin", m, sources));
  auto opened = ModelFile::open(folder / "model.bin");
  REQUIRE(opened);
  const ModelFile file = *std::move(opened);
  CHECK_FALSE(file.is_hugging_face());
  CHECK(file.path() == folder / "model.bin");
  CHECK(file.file_bytes() == std::filesystem::file_size(folder / "model.bin"));
  const bool llama = *file.metadata().string("general.architecture") == "llama";
  CHECK(rope_pairing(file) == (llama ? RopePairing::interleaved : RopePairing::half_split));
  REQUIRE(file.find("a") != nullptr);
  CHECK(file.find("c") == nullptr);
  file.release(*file.find("a"));
  CHECK(file.find("a")->slices[0][2999] == testing::pattern_byte("a", 0, 2999));
}

TEST_CASE("releasing a tensor takes its pages out of memory", "[files]") {
  const TempFolder folder;
  constexpr size_t kElements = size_t{4} << 20;
  // Experts smaller than a page, and one tensor whole.
  const Shape shape = GENERATE(Shape{kElements}, Shape{kElements / 512, 2, 256});
  REQUIRE(write_gguf(folder / "model.gguf", Metadata(), std::vector{pattern_source("a", DType::F32, shape)}));
  const auto resident_pages = [] {
    std::ifstream statm("/proc/self/statm");
    size_t total = 0, resident = 0;
    statm >> total >> resident;
    return resident;
  };
  const auto file = ModelFile::open(folder / "model.gguf");
  REQUIRE(file);
  const TensorView& tensor = *file->find("a");
  size_t sum = 0;
  for (size_t i = 0; i < kElements * 4; i += 4096) sum += static_cast<size_t>(tensor.slices[0][i]);
  CHECK(sum > 0);
  const size_t before = resident_pages();
  file->release(tensor);
  const size_t after = resident_pages();
  CHECK(before - after > kElements * 4 / 4096 * 9 / 10);
}

TEST_CASE("paths that hold no model are refused with a hint", "[files]") {
  const TempFolder folder;
  check_refused(folder / "absent.gguf", ErrorCode::not_found, "No such file");
  testing::write_file(folder / "empty.gguf", "");
  check_refused(folder / "empty.gguf", ErrorCode::corrupt_file, "empty");
  testing::write_file(folder / "text.gguf", "hello, world");
  check_refused(folder / "text.gguf", ErrorCode::corrupt_file, "begins with 'hell'");
  testing::write_file(folder / "short.gguf", "GG");
  check_refused(folder / "short.gguf", ErrorCode::corrupt_file, "begins with 'GG'");
  testing::write_file(folder / "old.bin", "tjgg\1\2\3\4");
  check_refused(folder / "old.bin", ErrorCode::corrupt_file, "before GGUF");
  testing::write_file(folder / "model.pt", "PK\3\4....");
  check_refused(folder / "model.pt", ErrorCode::corrupt_file, "zip");
  testing::write_file(folder / "x.safetensors", std::string("\x02\0\0\0\0\0\0\0{}", 10));
  check_refused(folder / "x.safetensors", ErrorCode::corrupt_file, "safetensors");
  testing::write_file(folder / "index.json", "{\"weight_map\": {}}");
  check_refused(folder / "index.json", ErrorCode::corrupt_file, "JSON");
  testing::write_file(folder / "magic.gguf", "GGUF");
  check_refused(folder / "magic.gguf", ErrorCode::corrupt_file, "byte 4");
  check_refused(folder / "text.gguf/below", ErrorCode::io, "Not a directory");
  REQUIRE(mkfifo((folder / "pipe").c_str(), 0600) == 0);
  check_refused(folder / "pipe", ErrorCode::invalid_argument, "not a regular file");
}

TEST_CASE("folders that hold no model are refused with a hint", "[files]") {
  const TempFolder folder;
  const auto model = folder / "model";
  std::filesystem::create_directory(model);
  check_refused(model, ErrorCode::not_found, "no config.json");
  testing::write_file(model / "config.json", "{\"model_type\": \"gpt2\"}");
  check_refused(model, ErrorCode::unsupported, "'gpt2'");
  testing::write_file(model / "config.json", R"({"model_type": "llama", "hidden_size": 8, "intermediate_size": 8,
    "num_hidden_layers": 1, "num_attention_heads": 1, "vocab_size": 8})");
  check_refused(model, ErrorCode::not_found, "no model.safetensors");
  testing::write_file(model / "pytorch_model.bin", "PK");
  check_refused(model, ErrorCode::not_found, "pytorch_model.bin");
  testing::write_file(model / "config.json", "");
  check_refused(model, ErrorCode::corrupt_file, "empty");
}

TEST_CASE("a file that may not be read is refused", "[files]") {
  if (geteuid() == 0) {
    std::puts("skipped: a file that may not be read: root may read every file");
    return;
  }
  const TempFolder folder;
  testing::write_file(folder / "secret.gguf", "GGUF");
  REQUIRE(chmod((folder / "secret.gguf").c_str(), 0) == 0);
  check_refused(folder / "secret.gguf", ErrorCode::io, "Permission denied");
}

TEST_CASE("single experts of older GGUF files are gathered", "[files]") {
  const TempFolder folder;
  std::vector<GgufTensorSource> sources = {pattern_source("blk.0.ffn_gate.weight", DType::F32, {2, 4})};
  for (const char* name : {"blk.0.ffn_up.1.weight", "blk.0.ffn_up.0.weight", "blk.0.ffn_up.2.weight"}) {
    sources.push_back(pattern_source(name, DType::F16, {3, 4}));
  }
  const auto refused = [&](const char* says) {
    REQUIRE(write_gguf(folder / "m.gguf", Metadata(), sources));
    check_refused(folder / "m.gguf", ErrorCode::corrupt_file, says);
  };
  SECTION("all there") {
    REQUIRE(write_gguf(folder / "m.gguf", Metadata(), sources));
    const auto file = ModelFile::open(folder / "m.gguf");
    REQUIRE(file);
    CHECK(file->tensors().size() == 2);
    const TensorView* exps = file->find("blk.0.ffn_up_exps.weight");
    REQUIRE(exps != nullptr);
    CHECK(exps->shape == Shape{3, 3, 4});
    REQUIRE(exps->slices.size() == 3);
    for (size_t e = 0; e < 3; ++e) {
      const std::string name = "blk.0.ffn_up." + std::to_string(e) + ".weight";
      for (size_t i = 0; i < exps->slice_bytes; ++i) CHECK(exps->slices[e][i] == testing::pattern_byte(name, 0, i));
    }
  }
  SECTION("one missing") {
    sources.erase(sources.begin() + 1);
    refused("2 experts, but one is numbered 2");
  }
  SECTION("one under two names") {
    sources.push_back(pattern_source("blk.0.ffn_up.02.weight", DType::F16, {3, 4}));
    refused("another name");
  }
  SECTION("one of another shape") {
    sources[3] = pattern_source("blk.0.ffn_up.2.weight", DType::F16, {4, 3});
    refused("as expert 0");
  }
  SECTION("the gathered tensor is there too") {
    sources.push_back(pattern_source("blk.0.ffn_up_exps.weight", DType::F16, {3, 3, 4}));
    refused("both whole and as single experts");
  }
}

// One of three parts: metadata in the first, one tensor each.
GgufBytes part(uint16_t number, uint16_t count, int32_t n_tensors, const std::string& tensor) {
  GgufBytes bytes;
  bytes.header(1, number == 0 ? 4 : 3);
  if (number == 0) bytes.text_pair("general.architecture", "llama");
  bytes.key("split.no", 2).number(number).key("split.count", 2).number(count);
  bytes.key("split.tensors.count", 5).number(n_tensors);
  bytes.tensor(tensor, {1}, 0, 0).pad().number(static_cast<float>(number));
  return bytes;
}

std::filesystem::path part_path(const TempFolder& folder, int number, int count = 3) {
  char name[64];
  std::snprintf(name, sizeof name, "m-%05d-of-%05d.gguf", number, count);
  return folder / name;
}

void write_parts(const TempFolder& folder) {
  const char* tensors[] = {"a", "b", "c"};
  for (int i = 0; i < 3; ++i) {
    testing::write_file(part_path(folder, i + 1), part(static_cast<uint16_t>(i), 3, 3, tensors[i]).str());
  }
}

TEST_CASE("a split GGUF model is opened by any of its parts", "[files]") {
  const TempFolder folder;
  write_parts(folder);
  const int named = GENERATE(1, 2, 3);
  const auto file = ModelFile::open(part_path(folder, named));
  REQUIRE(file);
  CHECK(*file->metadata().string("general.architecture") == "llama");
  CHECK_FALSE(file->metadata().has("split.count"));
  REQUIRE(file->tensors().size() == 3);
  for (int i = 0; i < 3; ++i) {
    const std::string name(1, static_cast<char>('a' + i));
    REQUIRE(file->find(name) != nullptr);
    float value = -1;
    std::memcpy(&value, file->find(name)->slices[0], sizeof value);
    CHECK(value == static_cast<float>(i));
  }
  CHECK(file->file_bytes() > 3 * 100);
}

TEST_CASE("a split GGUF model whose parts disagree is refused", "[files]") {
  const TempFolder folder;
  write_parts(folder);
  const auto refused = [&folder](ErrorCode code, const char* says) { check_refused(part_path(folder, 1), code, says); };
  SECTION("a part is missing") {
    std::filesystem::remove(part_path(folder, 2));
    refused(ErrorCode::not_found, "part 2 of 3 is missing");
  }
  SECTION("a part twice") {
    testing::write_file(part_path(folder, 2), part(2, 3, 3, "c").str());
    refused(ErrorCode::corrupt_file, "says it is part 3 of 3, expected part 2");
  }
  SECTION("a part of another split") {
    testing::write_file(part_path(folder, 2), part(1, 4, 3, "b").str());
    refused(ErrorCode::corrupt_file, "part 2 of 4");
  }
  SECTION("a part that is an ordinary file") {
    testing::write_file(part_path(folder, 2), GgufBytes().header(0, 0).str());
    refused(ErrorCode::corrupt_file, "part 1 of 1");
  }
  SECTION("a tensor in two parts") {
    testing::write_file(part_path(folder, 2), part(1, 3, 3, "a").str());
    refused(ErrorCode::corrupt_file, "earlier part");
  }
  SECTION("fewer tensors than the first part says") {
    testing::write_file(part_path(folder, 1), part(0, 3, 4, "a").str());
    refused(ErrorCode::corrupt_file, "split.tensors.count is 4");
  }
  SECTION("a damaged part") {
    testing::write_file(part_path(folder, 3), "GGUF");
    refused(ErrorCode::corrupt_file, "version");
  }
  SECTION("a number at the count") {
    testing::write_file(part_path(folder, 1), part(3, 3, 3, "a").str());
    refused(ErrorCode::corrupt_file, "split.no 3");
  }
  SECTION("a negative number of tensors") {
    testing::write_file(part_path(folder, 1), part(0, 3, -1, "a").str());
    refused(ErrorCode::corrupt_file, "split.tensors.count");
  }
  SECTION("a count of the wrong type") {
    GgufBytes bytes;
    testing::write_file(part_path(folder, 1), bytes.header(0, 1).text_pair("split.count", "3").str());
    refused(ErrorCode::corrupt_file, "split.count");
  }
  SECTION("a name without the pattern") {
    std::filesystem::rename(part_path(folder, 1), folder / "renamed.gguf");
    check_refused(folder / "renamed.gguf", ErrorCode::corrupt_file, "-00001-of-00003.gguf");
  }
}

}  // namespace
}  // namespace siskin
